// What instruments say, in both languages.

import type { Told } from "../language";

const word = (en: string, zh: string): Told => ({ en, zh });

export const TOOLBAR = {
  name: word("View", "视图"),
  quantity: word("Quantity", "显示量"),
  height: word("Height", "高度"),
  linear: word("linear", "线性"),
  log: word("log", "对数"),
  clip: word("Cut at", "截断于"),
  clipName: word("Cut off above this share of the height", "高于此比例的部分被截去"),
  colours: word("Colours", "配色"),
  viridis: word("viridis", "viridis"),
  cividis: word("cividis", "cividis"),
  grey: word("grey", "灰度"),
  reset: word("Reset view", "重置视图"),
  save: word("Save", "保存"),
  link: word("Copy a link to this view", "复制此视图的链接"),
  copied: word("Link copied.", "链接已复制。"),
  copyThis: word("Copy this link:", "请复制此链接："),
  wide: word("Fill the screen, for a projector", "全屏，供投影使用"),
  narrow: word("Back to the page", "返回页面"),
  help: word("Keys", "键盘操作"),
};

export const SAVING = {
  surface: word("Surface", "曲面"),
  map: word("Map", "地图"),
  curve: word("Training curve", "训练曲线"),
  failed: word("This picture could not be saved: ", "无法保存此图："),
  saved: word("Saved ", "已保存 "),
};

export const BALL = {
  title: word("The ball", "小球"),
  drop: word(
    "Click on the surface or the map to drop the ball, or press play.",
    "在曲面或地图上点击以放下小球，或按播放。",
  ),
  play: word("Play", "播放"),
  pause: word("Pause", "暂停"),
  forward: word("One step on", "前进一步"),
  back: word("One step back", "后退一步"),
  rewind: word("Back to the start", "回到起点"),
  lift: word("Take the ball away", "取走小球"),
  step: word("Step", "步"),
  speed: word("Speed", "速度"),
  speedUnit: word("steps/s", "步/秒"),
  rate: word("Learning rate η", "学习率 η"),
  rateName: word("Learning rate, on a logarithmic scale", "学习率（对数刻度）"),
  rateNumber: word("Learning rate, as a number", "学习率（数值）"),
  methods: word("Methods that race", "参赛方法"),
  momentum: word("Momentum β", "动量 β"),
  noise: word("Noise", "噪声"),
  noiseName: word(
    "Noise of the gradient, as a share of it at the start",
    "梯度噪声，相对于起点处梯度的比例",
  ),
  noSurface: word(
    "There is no surface to roll on: the plane has too few points that are numbers.",
    "没有可供滚动的曲面：平面上的有效数值点太少。",
  ),
  otherField: word(
    "The ball descends the loss, whatever quantity is shown.",
    "无论显示哪个量，小球总是沿损失下降。",
  ),
  offMap: word(
    "Where the ball was dropped there is no surface.",
    "小球落下之处没有曲面。",
  ),
};

export const METHOD = {
  descent: word("gradient descent", "梯度下降"),
  momentum: word("momentum", "动量法"),
  newton: word("Newton", "牛顿法"),
  noisy: word("noisy descent", "带噪梯度下降"),
};

export const MARKS = {
  plane: word("this plane", "此平面"),
  momentum: word("with momentum", "带动量"),
  model: (p: string): Told => word(`all ${p} dimensions`, `全部 ${p} 维`),
  set: word("Set η to ", "将 η 设为 "),
};

// On the rail there is room for a word.
export const BANDS = {
  crawl: word("crawls", "爬行"),
  converge: word("converges", "收敛"),
  oscillate: word("swings", "振荡"),
  diverge: word("diverges", "发散"),
};

export const READOUTS = {
  caption: word("Where each ball is now", "各小球当前所在"),
  method: word("method", "方法"),
  step: word("step", "步"),
  loss: word("loss", "损失"),
  gradient: word("|g|", "|g|"),
  curvature: word("λ_max here", "此处 λ_max"),
  sharpness: word("η·λ_max", "η·λ_max"),
  predicted: word("predicted", "预测"),
  observed: word("observed", "实测"),
};

// As `race` and `Rates.verdict` call them.
const VERDICTS = new Map<string, Told>([
  ["crawl", word("crawls", "爬行")],
  ["converge", word("converges", "收敛")],
  ["crawl or converge", word("crawls or converges", "爬行或收敛")],
  ["oscillate", word("swings, and converges", "振荡并收敛")],
  ["diverge", word("diverges", "发散")],
  ["left the map", word("leaves the map", "离开地图")],
  ["stopped", word("stops", "停止")],
  ["lies still", word("lies still", "静止不动")],
  ["swings on", word("swings on", "持续振荡")],
]);

export const verdictWords = (verdict: string): Told => VERDICTS.get(verdict) ?? verdict;

export const FACTS = {
  points: (count: string): Told =>
    word(`${count} points measured`, `已测 ${count} 个点`),
  error: (error: string): Told =>
    word(`values between them ± ${error}`, `其间数值 ± ${error}`),
  caption: word(
    "The same plane twice, as a surface and as a map. Drag to turn; point to read; click to drop the ball. Press ? for the keys.",
    "同一平面的两种视图：曲面与地图。拖动以旋转，指向以读数，点击以放下小球。按 ? 查看键盘操作。",
  ),
  comparison: word(
    "One camera for all: turn one and the others turn with it. Heights are each plane's own.",
    "共用一个相机：转动其一，其余随之转动。各平面的高度各自标定。",
  ),
};

// What the ball is, and what it is not.
export const BOUND = {
  whole: word(
    "This landscape has 2 parameters: the plane is all of it, and the ball moves as in training.",
    "此景观只有 2 个参数：平面即全部，小球的运动与训练无异。",
  ),
  plane: (p: string): Told =>
    word(
      `The ball moves in this plane, not in all ${p} dimensions of the model, which can bend more steeply than the plane does: a rate that is safe here may still diverge in training.`,
      `小球只在此平面内运动，而非在模型的全部 ${p} 维中；模型在其他方向上可能弯曲得更陡，因此在此安全的学习率在训练中仍可能发散。`,
    ),
  limit: (value: string): Told =>
    word(
      `The model's own speed limit at the centre is 2/λ_max\u00a0=\u00a0${value}.`,
      `模型在中心处自身的速度极限为 2/λ_max\u00a0=\u00a0${value}。`,
    ),
  noLimit: word(
    "The model's own 2/λ_max was not measured here.",
    "此处未测量模型自身的 2/λ_max。",
  ),
};

export const KEYS: [string, Told][] = [
  [
    "← ↑ → ↓",
    word(
      "turn the surface, or move the pointer on the map",
      "旋转曲面，或移动地图上的指针",
    ),
  ],
  ["+ − 0", word("nearer, further, back: on the surface", "曲面：拉近、拉远、复位")],
  ["Enter", word("drop the ball where the map's pointer is", "在地图指针处放下小球")],
  ["P", word("play or pause", "播放或暂停")],
  [". ,", word("one step on, one step back", "前进一步，后退一步")],
  ["R", word("back to the start", "回到起点")],
  ["] [", word("higher or lower learning rate", "提高或降低学习率")],
  ["1 2 3 4", word("add or remove a method", "增减方法")],
  ["L", word("linear or logarithmic height", "线性或对数高度")],
  ["F", word("fill the screen", "全屏")],
  ["Esc", word("leave the full screen, or this list", "退出全屏或关闭本列表")],
  ["?", word("this list", "本列表")],
];

export const HELP = {
  title: word("Keys", "键盘操作"),
  where: word(
    "They work while the focus is inside this instrument.",
    "焦点在此仪器内时有效。",
  ),
  close: word("Close", "关闭"),
};

export const ADDRESS = {
  fixed: word(
    "This page's address cannot be changed here, so a link will not carry the view: ",
    "此处无法更改页面地址，链接将不包含视图状态：",
  ),
};

export const LANGUAGES = { choose: word("Language", "语言") };

// Quantities by their names in the record.
export const PREDICTED = {
  plane: word("At the plane's lowest point", "在平面最低点"),
  unknown: word(
    "At its lowest point the plane has no curvature to predict from.",
    "平面最低点处没有可用于预测的曲率。",
  ),
};
