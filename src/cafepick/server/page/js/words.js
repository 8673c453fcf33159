// What the page says, in the language that was chosen or the browser prefers; numbers and dates as that language writes them.

import { ENGLISH } from "./words/en.js";
import { JAPANESE } from "./words/ja.js";
import { keep, kept } from "./kept.js";

const TABLES = { en: ENGLISH, ja: JAPANESE };
export const LANGUAGES = { en: "English", ja: "日本語" };

let language = document.documentElement.lang in TABLES ? document.documentElement.lang : "en";

export const spoken = () => language;

/** Speak another language from now on; whoever shows words shows them anew. */
export function speak(other) {
  language = other;
  document.documentElement.lang = other;
  keep("language", other);
}

/**
 * Return a text with its {fields} filled in. Where the table has `key.one` and `key.other`, the field `n` chooses.
 * @param {string} key
 * @param {Object<string, string|number>} fields
 */
export function t(key, fields = {}) {
  const table = TABLES[language];
  const text = table[key] ?? table[`${key}.${plural(fields.n)}`] ?? table[`${key}.other`];
  if (text === undefined) throw new Error(`no words for ${key} in ${language}`);
  return text.replaceAll(/\{(\w+)\}/g, (_, name) => said(fields[name]));
}

export const has = (key) => key in TABLES[language];

const plural = (n) => new Intl.PluralRules(language).select(Number(n ?? 0));
const said = (value) => (typeof value === "number" ? number(value) : String(value ?? ""));

export const number = (value) => new Intl.NumberFormat(language).format(value);

/** A share as per cent, no more exact than it deserves. */
export function percent(share) {
  if (share === null || share === undefined) return "–";
  const hundredths = 100 * share;
  const digits = hundredths === 0 || hundredths >= 10 ? 0 : hundredths >= 1 ? 1 : 2;
  const text = new Intl.NumberFormat(language, { maximumFractionDigits: digits }).format(hundredths);
  return t("percent", { number: text });
}

/** A rate as somebody chose it. */
export function rate(share) {
  const text = new Intl.NumberFormat(language, { maximumSignificantDigits: 2 }).format(100 * share);
  return t("percent", { number: text });
}

export function moment(iso) {
  return new Intl.DateTimeFormat(language, { dateStyle: "medium", timeStyle: "short" }).format(new Date(iso));
}

export function day(iso) {
  return new Intl.DateTimeFormat(language, { month: "short", day: "numeric" }).format(new Date(iso));
}

/** How long something takes, the way one says it. */
export function duration(seconds) {
  if (seconds < 45) return t("time.seconds", { n: Math.max(5, 5 * Math.round(seconds / 5)) });
  if (seconds < 3300) return t("time.minutes", { n: Math.max(1, Math.round(seconds / 60)) });
  return t("time.hours", { h: Math.floor((seconds + 300) / 3600), m: 10 * Math.floor(((seconds + 300) % 3600) / 600) });
}

export function megabytes(bytes) {
  return new Intl.NumberFormat(language, { maximumFractionDigits: bytes < 1e7 ? 1 : 0 }).format(bytes / 1e6);
}

/** Why a bean is NG, or would be at a higher rate. */
export function reason({ why, reason: english }) {
  if (!why) return language === "en" ? capital(english) : english;
  if (why.key === "combination") return t("why.combination");
  if (why.key === "area") return t(`why.area.${why.high ? "high" : "low"}`, { share: finely(why.share) });
  const key = `why.${why.key}.${why.high ? "high" : "low"}`;
  if (!has(key)) return capital(english);
  return t(why.share >= 0.9995 ? "why.all" : "why.most", { what: t(key), share: finely(why.share) });
}

/** A share as `scoring/reasons.py` writes it. */
const finely = (share) => {
  const digits = share > 0.99 || share < 0.01 ? 1 : 0;
  const format = new Intl.NumberFormat(language, { minimumFractionDigits: digits, maximumFractionDigits: digits });
  return t("percent", { number: format.format(100 * share) });
};

const capital = (text) => (text ? text[0].toUpperCase() + text.slice(1) : "");

/** What went wrong and what to do. The server's own sentence has the numbers; it speaks English. */
export function trouble(error) {
  if (!error.code) console.error(error); // a fault of the page itself
  const key = `error.${error.code ?? "page"}`;
  if (language === "en" && details(error)) return sentence(error.message);
  return has(key) ? t(key) : t("error.failed");
}

/** What the server said, where it said more than the words for the code do. */
export const details = ({ code, message }) => (code && code !== "offline" && code !== "cancelled" && message ? sentence(message) : "");

const sentence = (text) => (/[.!?]$/.test(text) ? capital(text) : `${capital(text)}.`);
