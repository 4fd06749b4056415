// What the quantities of a plane are called; those of the user's own keep their names.

import type { Told } from "../language";

const FIELDS = new Map<string, Told>([
  ["loss", { en: "loss", zh: "损失" }],
  ["test loss", { en: "test loss", zh: "测试损失" }],
  ["gradient norm", { en: "gradient norm", zh: "梯度范数" }],
]);

export const fieldName = (name: string): Told => FIELDS.get(name) ?? name;
