// What the map says, in both languages.

import type { Told } from "../language";
import type { MarkKind } from "../plane/record";

const word = (en: string, zh: string): Told => ({ en, zh });

export const WORDS = {
  help: word(
    "Arrow keys move the point that is read, with Shift in larger steps; Enter drops the ball there, Escape clears it.",
    "方向键移动读数点，按住 Shift 步幅更大；回车键在该处放下小球，Esc 清除。",
  ),
  empty: word("The plane has no points to map.", "平面上没有可绘制的点。"),
  logarithmic: word("log scale", "对数刻度"),
  cut: word("cut off above", "截去高于"),
  cutAway: word("higher than shown", "高于所示范围"),
  broken: word("infinite or not a number", "无穷或非数值"),
  unmeasured: word("not measured", "未测量"),
  measured: word("measured, the rest interpolated", "实测点，其余为插值"),
  every: word("contours every", "等高距"),
  contours: word("contours", "等高线"),
  divide: word("edge of a basin", "盆地边界"),
  off: word("pale where off the plane", "离平面越远越淡"),
  ring: word(
    "Its radius is the checkpoint's distance from the plane, to the map's scale.",
    "半径为检查点到平面的距离，按地图比例。",
  ),
  fromCentre: word("from the centre", "距中心"),
  offPlane: word("off the plane", "离平面"),
  foot: word("on the plane", "平面上"),
  dropped: word("where the ball was dropped", "小球放下处"),
  error: word(
    "How far interpolated values are off, in units of what is shown.",
    "插值的误差，与所示量同单位。",
  ),
  parameterUnits: word("in parameter units", "以参数单位计"),
  noValue: word("no value here", "此处无值"),
};

export const KINDS: Record<MarkKind, Told> = {
  centre: word("centre", "中心"),
  minimum: word("minimum", "极小值点"),
  saddle: word("saddle", "鞍点"),
  pass: word("pass", "隘口"),
  checkpoint: word("checkpoint", "检查点"),
};

export const moves = (length: string): Told =>
  word(`one unit moves ${length} parameter units`, `一个单位相当于 ${length} 参数单位`);

export const curved = (value: string): Told =>
  word(`curvature at the centre ${value}`, `中心处曲率 ${value}`);

export function described(field: string, title: string, low: string, high: string) {
  const of = title === "" ? "" : ` (${title})`;
  return word(
    `Contour map of the ${field}${of}, from ${low} to ${high}.`,
    `${field}等高线图${of}，从 ${low} 到 ${high}。`,
  );
}
