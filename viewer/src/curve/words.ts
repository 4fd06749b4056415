// What the training curve says, in both languages.

import type { Told } from "../language";

const word = (en: string, zh: string): Told => ({ en, zh });

export const WORDS = {
  title: word("loss during training", "训练中的损失"),
  logarithmic: word("log scale", "对数刻度"),
  own: word("at the checkpoint", "检查点处"),
  foot: word("on the plane below it", "其下方的平面上"),
  away: word("distance off the plane", "离平面的距离"),
  step: word("step", "步"),
  checkpoint: word("checkpoint", "检查点"),
  play: word("Play the training", "播放训练过程"),
  pause: word("Pause the training", "暂停训练过程"),
  none: word("no checkpoint chosen", "未选检查点"),
};

const isNumber = (label: string): boolean =>
  label.trim() !== "" && Number.isFinite(Number(label));

// A label that is a number counts steps.
export function named(label: string): Told {
  if (label === "") return "";
  return isNumber(label) ? word(`step ${label}`, `第 ${label} 步`) : label;
}

export function position(at: number, count: number): Told {
  return word(`checkpoint ${at} of ${count}`, `检查点 ${at} / ${count}`);
}

export function described(names: string, count: number): Told {
  return word(
    `Loss of ${names} over ${count} checkpoints, at each and on the plane, and the distance off the plane.`,
    `${names} 在 ${count} 个检查点上的损失（检查点处与平面上）及离平面的距离。`,
  );
}
