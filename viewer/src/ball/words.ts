// Why a walk is judged as it is, in both languages.

import type { Told } from "../language";
import { short } from "../numbers";

// What a pace is read off.
export type Shrinking = "flattest" | "gradient";

const SHRINKING = {
  flattest: {
    en: "distance along the flattest direction",
    zh: "沿最平方向的距离",
  },
  gradient: { en: "gradient", zh: "梯度" },
};

const word = (en: string, zh: string): Told => ({ en, zh });

export const WHY = {
  unbounded: (loss: number, steps: number): Told =>
    word(
      `The loss is ${short(loss, 4)} after ${steps} steps.`,
      `${steps} 步之后损失为 ${short(loss, 4)}。`,
    ),
  rose: (first: number, last: number): Told =>
    word(
      `The loss rose from ${short(first, 6)} to ${short(last, 6)}.`,
      `损失从 ${short(first, 6)} 升至 ${short(last, 6)}。`,
    ),
  swells: word(
    "Swings along the steepest direction still grow.",
    "沿最陡方向的振荡仍在增大。",
  ),
  left: word(
    "The next step leads beyond the end of the map.",
    "下一步将越出地图的边界。",
  ),
  turnedBack: (back: number, count: number): Told =>
    word(
      `${back} of the last ${count} steps turned back on the one before.`,
      `最后 ${count} 步中有 ${back} 步折返了前一步。`,
    ),
  changesSign: (flips: number, count: number): Told =>
    word(
      `Along the steepest direction ${flips} of ${count} steps change the gradient's sign.`,
      `沿最陡方向，${count} 步中有 ${flips} 步使梯度变号。`,
    ),
  still: (along: Shrinking): Told =>
    word(
      `The ${SHRINKING[along].en} does not shrink yet.`,
      `${SHRINKING[along].zh}尚未缩小。`,
    ),
  slow: (along: Shrinking, needed: number, steps: number): Told =>
    word(
      `At this pace a tenth of the ${SHRINKING[along].en} takes ${short(needed)} steps, more than ${steps}.`,
      `照此速度，${SHRINKING[along].zh}降至十分之一需 ${short(needed)} 步，多于 ${steps} 步。`,
    ),
  converges: (along: Shrinking, needed: number): Told =>
    word(
      `Nothing changes sign, and a tenth of the ${SHRINKING[along].en} takes ${short(needed)} steps.`,
      `无一变号，${SHRINKING[along].zh}降至十分之一需 ${short(needed)} 步。`,
    ),
};

const CRITICAL = {
  minimum: { en: "a minimum.", zh: "极小值点。" },
  saddle: {
    en: "a saddle, which Newton's step does not tell from a minimum.",
    zh: "鞍点，牛顿步不能将其与极小值点区分。",
  },
  maximum: {
    en: "a maximum, which Newton's step does not tell from a minimum.",
    zh: "极大值点，牛顿步不能将其与极小值点区分。",
  },
};

// Of Newton's steps, which go to where the gradient vanishes, whatever bends there.
export const NEWTON = {
  stopped: (low: number, high: number): Told =>
    word(
      `The Hessian is singular here: its curvatures are ${short(low)} and ${short(high)}.`,
      `此处 Hessian 奇异：曲率为 ${short(low)} 与 ${short(high)}。`,
    ),
  still: word(
    "The gradient is nothing but rounding from the start.",
    "梯度自始即只是舍入误差。",
  ),
  reached: (kind: keyof typeof CRITICAL, steps: number): Told =>
    word(
      `The gradient came down to a tenth in ${steps} ${steps === 1 ? "step" : "steps"}, on the way to ${CRITICAL[kind].en}`,
      `${steps} 步内梯度降至十分之一，趋向${CRITICAL[kind].zh}`,
    ),
  grew: (first: number, last: number): Told =>
    word(
      `The gradient grew from ${short(first)} to ${short(last)}: the surface is far from a quadratic here.`,
      `梯度从 ${short(first)} 增至 ${short(last)}：此处曲面远非二次。`,
    ),
  slow: (steps: number): Told =>
    word(
      `After ${steps} steps the gradient is not down to a tenth: the surface is far from a quadratic here.`,
      `${steps} 步之后梯度仍未降至十分之一：此处曲面远非二次。`,
    ),
};

// Of noisy descent, judged by averages.
export const NOISY = {
  rose: (first: number, last: number): Told =>
    word(
      `In the last quarter the loss is ${short(last, 4)} on average, above the ${short(first, 4)} it began at, and still rising.`,
      `最后四分之一步的平均损失为 ${short(last, 4)}，高于起始的 ${short(first, 4)}，且仍在上升。`,
    ),
  undone: (correlation: number): Told =>
    word(
      `Along the steepest direction one gradient tends to have the other sign than the one before: their correlation is ${short(correlation, 2)}.`,
      `沿最陡方向，梯度往往与前一步反号：相关系数为 ${short(correlation, 2)}。`,
    ),
  falls: (before: number, last: number): Told =>
    word(
      `On average the loss still falls: from ${short(before, 4)} in the third quarter to ${short(last, 4)} in the last.`,
      `平均而言损失仍在下降：第三个四分之一为 ${short(before, 4)}，最后四分之一为 ${short(last, 4)}。`,
    ),
  hovers: (last: number, spread: number): Told =>
    word(
      `The loss no longer falls on average: the noise holds it at ${short(last, 4)}, give or take ${short(spread, 2)}.`,
      `平均损失不再下降：噪声使其停留在 ${short(last, 4)} 上下 ${short(spread, 2)}。`,
    ),
};
