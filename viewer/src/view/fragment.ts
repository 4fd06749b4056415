// What the reader has chosen, kept in the address behind the #: an anchor, then
// `id.key=value` for each instrument, `theme=…` and `language=…`, joined by &.

import { language, onLanguage, speak } from "../language";
import type { Plane } from "../plane/plane";
import { readState, STATE_KEYS, written } from "./spelling";
import type { Store } from "./store";

interface Followed {
  id: string;
  plane: Plane;
  store: Store;
}

interface Fragment {
  anchor: string;
  texts: Map<string, string>;
}

// Browsers forbid more than about a hundred changes of an address in half a minute.
const PATIENCE = 500;

const followed: Followed[] = [];
const refused = new Set<(reason: string) => void>();
let following = false;
let reason = "";
let pending = 0;
// What the page began with, before its address had a say.
let firstTheme = "";
let firstLanguage = "";

// A percent sign that stands for nothing stays one.
function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch (error) {
    if (error instanceof URIError) return text;
    throw error;
  }
}

const encoded = (text: string) => encodeURIComponent(text).replaceAll("%2C", ",");

function readFragment(hash: string): Fragment {
  const parts = hash.replace(/^#/, "").split("&");
  const anchor = parts[0]?.includes("=") ? "" : decoded(parts.shift() ?? "");
  const pairs = parts.map((part): [string, string] => {
    const at = part.indexOf("=");
    return [decoded(part.slice(0, Math.max(at, 0))), decoded(part.slice(at + 1))];
  });
  return { anchor, texts: new Map(pairs) };
}

function of(texts: Map<string, string>, id: string): Map<string, string> {
  const start = `${id}.`;
  const own = [...texts].filter(([key]) => key.startsWith(start));
  return new Map(own.map(([key, text]) => [key.slice(start.length), text]));
}

const theme = () => document.documentElement.dataset["theme"] ?? "";

function choices(): string[] {
  const pairs = followed.flatMap(({ id, store }) =>
    written(store.state, store.first).map(([key, text]) => [`${id}.${key}`, text]),
  );
  if (theme() !== firstTheme) pairs.push(["theme", theme()]);
  if (language() !== firstLanguage) pairs.push(["language", language()]);
  return pairs.map(([key = "", text = ""]) => `${encoded(key)}=${encoded(text)}`);
}

function currentHash(): string {
  const { anchor } = readFragment(location.hash);
  const parts = [...(anchor ? [encoded(anchor)] : []), ...choices()];
  return parts.length > 0 ? `#${parts.join("&")}` : "";
}

// Inside some frames a page may not change its address; it then says so once.
function write(): void {
  pending = 0;
  const hash = currentHash();
  if (hash === location.hash || reason) return;
  try {
    history.replaceState(history.state, "", location.href.split("#")[0] + hash);
  } catch (error) {
    reason = error instanceof Error ? error.message : String(error);
    for (const tell of refused) tell(reason);
  }
}

function writeSoon(): void {
  if (!following) return;
  clearTimeout(pending);
  pending = window.setTimeout(write, PATIENCE);
}

// First all begin anew, as linked planes hand on what they are given.
function apply({ texts }: Fragment): void {
  for (const { store } of followed) store.set(store.first);
  for (const { id, plane, store } of followed) {
    store.set(readState(of(texts, id), plane));
  }
  const wanted = texts.get("theme");
  if (wanted === "light" || wanted === "dark") {
    document.documentElement.dataset["theme"] = wanted;
  }
  const spoken = texts.get("language");
  if (spoken === "en" || spoken === "zh") speak(spoken);
}

function scrollTo(anchor: string): void {
  if (anchor) document.getElementById(anchor)?.scrollIntoView();
}

// A link to an anchor of the page leaves everything that was chosen as it is.
function heed(): void {
  const fragment = readFragment(location.hash);
  if (fragment.texts.size > 0) apply(fragment);
  scrollTo(fragment.anchor);
  writeSoon();
}

export function follow(id: string, plane: Plane, store: Store): void {
  followed.push({ id, plane, store });
  store.on([...STATE_KEYS], writeSoon);
}

// `tell` hears why the address cannot be changed, if it cannot.
export function onRefusal(tell: (reason: string) => void): void {
  refused.add(tell);
  if (reason) tell(reason);
}

// A link to the page as it is seen now.
export const linkHere = (): string => location.href.split("#")[0] + currentHash();

export function followFragment(): void {
  if (following) return;
  following = true;
  firstTheme = theme();
  firstLanguage = language();
  const fragment = readFragment(location.hash);
  apply(fragment);
  if (fragment.texts.size > 0) scrollTo(fragment.anchor);
  addEventListener("hashchange", heed);
  onLanguage(writeSoon);
  new MutationObserver(writeSoon).observe(document.documentElement, {
    attributeFilter: ["data-theme"],
  });
}
