/** How lines are told apart: by colour (safe for the colour-blind), by dashes, and by marks. */

import { svgElement } from "./dom.js";

/** @typedef {{ index: number, dash: number[], mark: number }} SeriesStyle */

/** As many series as can be told apart. */
export const MOST_SERIES = 8;

const DASHES = [[], [8, 4], [2, 3], [10, 3, 2, 3], [5, 2], [12, 5], [2, 6], [6, 3, 2, 3, 2, 3]];

/** Polygons of the marks within a unit circle; the first one is a circle. */
const MARKS = [
  null,
  [[-0.8, -0.8], [0.8, -0.8], [0.8, 0.8], [-0.8, 0.8]],
  [[0, -1], [0.95, 0.75], [-0.95, 0.75]],
  [[0, -1.1], [1.1, 0], [0, 1.1], [-1.1, 0]],
  [[-0.95, -0.75], [0.95, -0.75], [0, 1]],
  [[-0.35, -1], [0.35, -1], [0.35, -0.35], [1, -0.35], [1, 0.35], [0.35, 0.35], [0.35, 1], [-0.35, 1], [-0.35, 0.35], [-1, 0.35], [-1, -0.35], [-0.35, -0.35]],
  [[-1, -0.45], [1, -0.45], [1, 0.45], [-1, 0.45]],
  [[0, -1.15], [0.33, -0.35], [1.1, -0.35], [0.5, 0.2], [0.7, 1], [0, 0.5], [-0.7, 1], [-0.5, 0.2], [-1.1, -0.35], [-0.33, -0.35]],
];

/**
 * @param {number} index from 0, below `MOST_SERIES`
 * @returns {SeriesStyle}
 */
export function seriesStyle(index) {
  return { index, dash: DASHES[index], mark: index };
}

/**
 * A colour of the page as it is now, light or dark.
 * @param {string} name without the dashes
 * @returns {string}
 */
export function themeColor(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim() || "#777777";
}

/**
 * @param {SeriesStyle} style
 * @returns {string}
 */
export function seriesColor(style) {
  return themeColor(`series-${style.index}`);
}

/**
 * The colour with an opacity, for bands; the theme's colours have six hex digits.
 * @param {string} color
 * @param {number} opacity 0 to 1
 * @returns {string}
 */
export function fadedColor(color, opacity) {
  return color + Math.round(opacity * 255).toString(16).padStart(2, "0");
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {number} mark
 * @param {number} x
 * @param {number} y
 * @param {number} radius
 */
export function traceMark(context, mark, x, y, radius) {
  const polygon = MARKS[mark];
  context.beginPath();
  if (polygon === null) {
    context.arc(x, y, radius, 0, 2 * Math.PI);
  } else {
    polygon.forEach(([dx, dy], at) => context[at === 0 ? "moveTo" : "lineTo"](x + dx * radius, y + dy * radius));
    context.closePath();
  }
}

/**
 * A short piece of the line with its mark, for a key.
 * @param {SeriesStyle} style
 * @returns {SVGElement}
 */
export function seriesSwatch(style) {
  const polygon = MARKS[style.mark];
  const mark =
    polygon === null
      ? svgElement("circle", { cx: 16, cy: 6, r: 3.5, class: "fill" })
      : svgElement("polygon", { points: polygon.map(([x, y]) => `${16 + x * 4},${6 + y * 4}`).join(" "), class: "fill" });
  const line = svgElement("line", { x1: 0, y1: 6, x2: 32, y2: 6, "stroke-dasharray": style.dash.join(" ") || null, class: "line" });
  return svgElement("svg", { class: `swatch series-${style.index}`, viewBox: "0 0 32 12", width: 32, height: 12, "aria-hidden": "true" }, line, mark);
}
