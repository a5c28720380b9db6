/** Axes of charts on canvases: numbers, times, or different texts in their order. */

import { decimalsFor, formatNumber, formatShare, shortText } from "./format.js";

/** @typedef {import("./data.js").TableColumn} TableColumn */
/** @typedef {{ at: number, label: string }} AxisTick `at` is a share of the axis */
/** @typedef {{ place: (value: number) => number, ticks: AxisTick[], format: (value: number) => string }} AxisScale `place` gives a share of the axis, NaN for what has none */

const MOST_LABELS = 12;

/**
 * The number by which a run is placed on the column's axis; NaN if it has no place.
 * @param {TableColumn} column
 * @param {number} run
 * @returns {number}
 */
export function axisValue(column, run) {
  if (column.numeric || column.kind === "time") {
    const value = column.number(run);
    return Number.isFinite(value) ? value : NaN;
  }
  return column.sortOrder().keys[run];
}

/**
 * @param {TableColumn} column
 * @param {number[]} values as `axisValue` gives them, or means of them
 * @param {(value: number) => string} textOf of a value of a column of texts
 * @returns {AxisScale}
 */
export function axisScale(column, values, textOf) {
  const finite = values.filter(Number.isFinite);
  if (column.numeric || column.kind === "time") {
    return column.kind === "time" ? timeScale(finite) : numberScale(column, finite);
  }
  const present = [...new Set(finite)].sort((a, b) => a - b);
  const ranks = new Map(present.map((value, rank) => [value, rank]));
  const place = (/** @type {number} */ value) => ((ranks.get(value) ?? NaN) + 0.5) / present.length;
  const every = Math.ceil(present.length / MOST_LABELS) || 1;
  const ticks = present.filter((_, rank) => rank % every === 0).map((value) => ({ at: place(value), label: shortText(textOf(value), 16) }));
  return { place, ticks, format: textOf };
}

/**
 * @param {number[]} values
 * @returns {[number, number]}
 */
function paddedExtent(values) {
  let low = Infinity;
  let high = -Infinity;
  for (const value of values) {
    low = Math.min(low, value);
    high = Math.max(high, value);
  }
  if (low > high) {
    return [0, 1];
  }
  const pad = (high - low) * 0.04 || Math.abs(high) * 0.1 || 1;
  return [low - pad, high + pad];
}

/**
 * @param {TableColumn} column
 * @param {number[]} values
 * @returns {AxisScale}
 */
function numberScale(column, values) {
  const [low, high] = paddedExtent(values);
  const splits = niceSplits(low, high, 6);
  const gap = splits.length > 1 ? splits[1] - splits[0] : high - low;
  const place = (/** @type {number} */ value) => (value - low) / (high - low);
  const format = (/** @type {number} */ value) => (column.kind === "share" ? formatShare(value, 1) : formatNumber(value, decimalsFor([value])));
  const label = (/** @type {number} */ value) => (column.kind === "share" ? formatShare(value, gap < 0.01 ? 1 : 0) : splitLabel(value, gap));
  return { place, ticks: splits.map((value) => ({ at: place(value), label: label(value) })), format };
}

/**
 * @param {number[]} values
 * @returns {AxisScale}
 */
function timeScale(values) {
  const [low, high] = paddedExtent(values);
  const place = (/** @type {number} */ value) => (value - low) / (high - low);
  const isLong = high - low > 4 * 86400000;
  const text = (/** @type {number} */ value) => new Date(value).toISOString();
  const splits = [0.1, 0.5, 0.9].map((share) => low + share * (high - low));
  const ticks = splits.map((value) => ({ at: place(value), label: isLong ? text(value).slice(0, 10) : text(value).slice(5, 16).replace("T", " ") }));
  return { place, ticks, format: (value) => text(value).slice(0, 16).replace("T", " ") };
}

/**
 * Round numbers between two ends.
 * @param {number} low
 * @param {number} high
 * @param {number} most
 * @returns {number[]}
 */
function niceSplits(low, high, most) {
  const rough = (high - low) / most;
  const power = 10 ** Math.floor(Math.log10(rough));
  const gap = [1, 2, 5, 10].map((factor) => factor * power).find((step) => step >= rough) ?? rough;
  const first = Math.ceil(low / gap);
  const last = Math.floor(high / gap);
  return Number.isFinite(first) && last - first < 50 ? Array.from({ length: last - first + 1 }, (_, at) => (first + at) * gap) : [];
}

/**
 * @param {number} value
 * @param {number} gap
 * @returns {string}
 */
function splitLabel(value, gap) {
  if (Math.abs(value) >= 1e6 || gap < 1e-5) {
    return value === 0 ? "0" : String(Number(value.toPrecision(3)).toExponential());
  }
  return value.toFixed(Math.min(Math.max(0, -Math.floor(Math.log10(gap) + 1e-9)), 8));
}
