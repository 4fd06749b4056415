// What the surface says, in both languages.

import type { Told } from "../language";

export const WORDS = {
  noStage: {
    en: "This browser draws no WebGL, so the surface cannot be turned here. The map shows the same points.",
    zh: "此浏览器不支持 WebGL，无法在此转动曲面。等高线图显示同样的点。",
  },
  noGround: {
    en: "Too few finite values for a surface.",
    zh: "有限值太少，无法构成曲面。",
  },
  hint: {
    en: "Drag turns · Ctrl + wheel zooms · click drops the ball",
    zh: "拖动旋转 · Ctrl + 滚轮缩放 · 单击放球",
  },
  hintTouch: {
    en: "Drag sideways turns · two fingers tilt and zoom · tap drops the ball",
    zh: "横向拖动旋转 · 双指倾斜与缩放 · 轻点放球",
  },
  help: {
    en: "Arrow keys turn the surface, plus and minus zoom, zero resets the view, Enter drops the ball at the marked point, Escape clears the mark.",
    zh: "方向键转动曲面，加减号缩放，0 复位，回车键在标记点放球，Esc 清除标记。",
  },
  cut: { en: "cut off", zh: "截去" },
  fromCentre: { en: "from the centre", zh: "距中心" },
  offPlane: { en: "off the plane", zh: "离平面" },
  foot: { en: "on the plane", zh: "平面上" },
  logarithmic: { en: "log scale", zh: "对数刻度" },
} satisfies Record<string, Told>;

export function described(field: string, title: string, ends: [string, string]): Told {
  const [low, high] = ends;
  const of = title === "" ? "" : ` (${title})`;
  return {
    en: `Surface of the ${field}${of}, from ${low} to ${high}.`,
    zh: `${field}曲面${of}，从 ${low} 到 ${high}。`,
  };
}
