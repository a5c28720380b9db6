/**
 * Numbers and texts as the page shows them. Everything from a run is a stranger's text: what would not be seen, or would change
 * how its neighbours are read, is shown as an escape.
 */

/** @typedef {import("../report-data").Num} Num */

/**
 * Control characters, marks that turn the direction of text, characters without width, halves of surrogate pairs (the
 * flag `u` lets the range match no whole pair).
 */
const UNSEEN =
  /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ufeff\uffa0\ufff9-\ufffb\u{e0000}-\u{e0fff}\ud800-\udfff]/gu;

const COUNT = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });

const VERY_LONG = 1000;

/** What a cell shows if nothing is known. */
export const UNKNOWN = "–";

/**
 * The text with what cannot be seen as escapes.
 * @param {string} text
 * @returns {string}
 */
export function visibleText(text) {
  return text.replace(UNSEEN, (found) => `\\u{${(found.codePointAt(0) ?? 0).toString(16).toUpperCase()}}`);
}

/**
 * The visible text, cut to about `limit` characters; the cut is marked, and says how long a very long text is.
 * @param {string} text
 * @param {number} limit
 * @returns {string}
 */
export function shortText(text, limit) {
  if (text.length <= limit) {
    return visibleText(text);
  }
  const start = text.slice(0, limit).replace(/[\ud800-\udbff]$/, "");
  return text.length < VERY_LONG ? `${visibleText(start)}…` : `${visibleText(start)}… (${formatCount(text.length)} characters)`;
}

/**
 * @param {number} value
 * @returns {string}
 */
export function formatCount(value) {
  return Number.isInteger(value) && Math.abs(value) < 1e15 ? COUNT.format(value) : String(value);
}

/**
 * `1 run`, `2 runs`.
 * @param {number} count
 * @param {string} one
 * @param {string} [many]
 * @returns {string}
 */
export function plural(count, one, many = `${one}s`) {
  return `${formatCount(count)} ${count === 1 ? one : many}`;
}

/**
 * How many decimals show the largest of the values with four digits; -1 if powers of ten read better.
 * @param {Iterable<number>} values
 * @returns {number}
 */
export function decimalsFor(values) {
  let largest = 0;
  let whole = true;
  for (const value of values) {
    if (Number.isFinite(value)) {
      largest = Math.max(largest, Math.abs(value));
      whole = whole && Number.isInteger(value);
    }
  }
  if (largest === 0 || (whole && largest < 1e9)) {
    return 0;
  }
  const magnitude = Math.floor(Math.log10(largest));
  return magnitude >= 7 || magnitude < -4 ? -1 : Math.min(Math.max(3 - magnitude, 0), 6);
}

/**
 * @param {number} value
 * @param {number} decimals as `decimalsFor` gives
 * @returns {string}
 */
export function formatNumber(value, decimals) {
  if (!Number.isFinite(value)) {
    return String(value);
  }
  const small = value !== 0 && Math.abs(value) < 0.5 * 10 ** -Math.max(decimals, 0);
  if (decimals < 0 || small || Math.abs(value) >= 1e9) {
    return value === 0 ? "0" : value.toExponential(2);
  }
  return value.toFixed(decimals);
}

/**
 * A number on its own, with up to four digits.
 * @param {number} value
 * @returns {string}
 */
export function formatFigure(value) {
  const size = Math.abs(value);
  return size === 0 || (size >= 1e-4 && size < 1e9) ? String(size < 1e4 ? Number(value.toPrecision(4)) : Math.round(value)) : formatNumber(value, -1);
}

/**
 * @param {number} share 0 to 1
 * @param {number} decimals of the percentage
 * @returns {string}
 */
export function formatShare(share, decimals) {
  return `${(share * 100).toFixed(decimals)}%`;
}

/**
 * A mean of whole numbers: `1,234` or `17.5`.
 * @param {number} value
 * @param {number} decimals
 * @returns {string}
 */
export function formatMeanCount(value, decimals) {
  return Math.abs(value) < 1e15 ? value.toLocaleString("en-US", { minimumFractionDigits: decimals, maximumFractionDigits: decimals }) : String(value);
}

/**
 * @param {number} bytes
 * @returns {string}
 */
export function formatBytes(bytes) {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let unit = 0;
  let value = bytes;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${unit === 0 ? value : value.toFixed(1)} ${units[unit]}`;
}

/**
 * Milliseconds since 1970 of a recorded time; NaN if it is none. A time without a zone is read as UTC.
 * @param {string} text
 * @returns {number}
 */
export function parseTime(text) {
  const match = /^(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d(?::\d\d(?:\.\d+)?)?)(Z|[+-]\d\d:?\d\d)?$/.exec(text);
  return match ? Date.parse(`${match[1]}T${match[2]}${match[3] ?? "Z"}`) : NaN;
}

/**
 * `2026-11-24 02:15`, in UTC; what is no time stays as it is.
 * @param {string} text
 * @returns {string}
 */
export function formatTime(text) {
  const time = parseTime(text);
  return Number.isNaN(time) ? text : new Date(time).toISOString().slice(0, 16).replace("T", " ");
}

/**
 * A number of the data as a number: NaN if it is not known or not a number.
 * @param {Num | undefined} value
 * @returns {number}
 */
export function toNumber(value) {
  return typeof value === "number" ? value : value === "Infinity" ? Infinity : value === "-Infinity" ? -Infinity : NaN;
}

/**
 * A short, stable number of a text, in base 36.
 * @param {string} text
 * @returns {string}
 */
export function hashText(text) {
  let high = 0xdeadbeef;
  let low = 0x41c6ce57;
  for (let at = 0; at < text.length; at += 1) {
    const unit = text.charCodeAt(at);
    high = Math.imul(high ^ unit, 2654435761);
    low = Math.imul(low ^ unit, 1597334677);
  }
  high = Math.imul(high ^ (high >>> 16), 2246822507) ^ Math.imul(low ^ (low >>> 13), 3266489909);
  low = Math.imul(low ^ (low >>> 16), 2246822507) ^ Math.imul(high ^ (high >>> 13), 3266489909);
  return (4294967296 * (2097151 & low) + (high >>> 0)).toString(36);
}
