/** Trajectories on canvases: equal scales in both directions, and the same section in all panels. */

import { keepDrawn } from "./charts.js";
import { element, isolatedText, lazyDetails, scrollRegion } from "./dom.js";
import { formatFigure, plural, shortText, toNumber, UNKNOWN } from "./format.js";
import { fadedColor, seriesColor, themeColor, traceMark } from "./series.js";

/** @typedef {import("../report-data").Paths} Paths */
/** @typedef {import("./series.js").SeriesStyle} SeriesStyle */
/** @typedef {{ left: number, right: number, bottom: number, top: number }} Section */
/** @typedef {{ episode: number, succeeded: boolean | null, x: number[], y: number[] }} PathLine */
/** @typedef {{ label: string, style: SeriesStyle, x: string, y: string, of: number, lines: PathLine[] }} PathPanel */

const MARGIN = 28;
const MOST_LINES = 200;

/**
 * @param {string} label
 * @param {SeriesStyle} style
 * @param {Paths[]} sources of the runs that the panel shows
 * @returns {PathPanel | null}
 */
export function pathPanel(label, style, sources) {
  if (sources.length === 0) {
    return null;
  }
  const axis = (/** @type {{ name: string, unit: string | null }} */ { name, unit }) => shortText((unit === null ? name : `${name} (${unit})`).slice(0, 100), 30);
  // Some of each run, as evenly as they come.
  const share = Math.max(1, Math.floor(MOST_LINES / sources.length));
  const lines = sources.flatMap((paths) =>
    paths.lines.slice(0, share).map((line) => ({ episode: line.episode, succeeded: line.succeeded, x: line.x.map(toNumber), y: line.y.map(toNumber) })),
  );
  return { label, style, x: axis(sources[0].x), y: axis(sources[0].y), of: sources.reduce((sum, paths) => sum + paths.of, 0), lines: lines.slice(0, MOST_LINES) };
}

/**
 * The smallest section that holds all lines; null if no point is finite.
 * @param {PathPanel[]} panels
 * @returns {Section | null}
 */
export function commonSection(panels) {
  const section = { left: Infinity, right: -Infinity, bottom: Infinity, top: -Infinity };
  for (const { lines } of panels) {
    for (const { x, y } of lines) {
      for (let at = 0; at < x.length; at += 1) {
        if (Number.isFinite(x[at]) && Number.isFinite(y[at])) {
          section.left = Math.min(section.left, x[at]);
          section.right = Math.max(section.right, x[at]);
          section.bottom = Math.min(section.bottom, y[at]);
          section.top = Math.max(section.top, y[at]);
        }
      }
    }
  }
  return section.left <= section.right ? section : null;
}

/**
 * @param {PathPanel} panel
 * @param {Section} section
 * @param {boolean} named whether the label stands above
 * @returns {HTMLElement}
 */
export function pathChart(panel, section, named) {
  const summary = pathSummary(panel);
  const canvas = element("canvas", { class: "paths", role: "img", "aria-label": `Trajectories${named ? ` of ${panel.label}` : ""}. ${summary}` });
  const holder = element("div", { class: "path-plot" }, canvas);
  keepDrawn(holder, () => drawPanel(canvas, holder.clientWidth, panel, section));
  const title = named ? isolatedText(panel.label, 60) : "Trajectories";
  return element(
    "figure",
    { class: "chart" },
    element("figcaption", {}, element("span", { class: "chart-title" }, title)),
    holder,
    element("p", { class: "summary" }, summary),
    lazyDetails("Numbers of this chart", () => pathTable(panel)),
  );
}

/** @param {PathPanel} panel */
function pathSummary({ lines, of, x, y }) {
  const successes = lines.filter((line) => line.succeeded === true).length;
  const known = lines.some((line) => line.succeeded !== null);
  const shown = lines.length === of ? plural(of, "episode") : `${lines.length} of ${plural(of, "episode")}`;
  return `${shown}, ${x} across and ${y} up.${known ? ` ${successes} succeeded.` : ""} A ring is a start; a dot is a success, a cross another end.`;
}

/**
 * Sizes a canvas for the screen's pixels.
 * @param {HTMLCanvasElement} canvas
 * @param {number} width
 * @param {number} height
 * @returns {CanvasRenderingContext2D | null}
 */
export function prepareCanvas(canvas, width, height) {
  const ratio = Math.max(1, window.devicePixelRatio);
  canvas.width = Math.round(width * ratio);
  canvas.height = Math.round(height * ratio);
  canvas.style.width = `${width}px`;
  canvas.style.height = `${height}px`;
  const context = canvas.getContext("2d");
  context?.scale(ratio, ratio);
  if (context) {
    context.font = `11px ${getComputedStyle(document.body).fontFamily}`;
  }
  return context;
}

/**
 * @param {HTMLCanvasElement} canvas
 * @param {number} width
 * @param {PathPanel} panel
 * @param {Section} section
 */
function drawPanel(canvas, width, panel, section) {
  const across = Math.max(section.right - section.left, 1e-9);
  const up = Math.max(section.top - section.bottom, 1e-9);
  const scale = Math.min((width - 2 * MARGIN) / across, 360 / up);
  const height = Math.max(80, up * scale) + 2 * MARGIN;
  const context = prepareCanvas(canvas, width, height);
  if (context === null) {
    return;
  }
  const left = (width - across * scale) / 2;
  const toX = (/** @type {number} */ x) => left + (x - section.left) * scale;
  const toY = (/** @type {number} */ y) => height - MARGIN - (y - section.bottom) * scale;
  drawFrame(context, panel, section, toX, toY);
  const color = seriesColor(panel.style);
  for (const line of panel.lines) {
    drawPath(context, line, toX, toY, color, panel.lines.length);
  }
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {PathPanel} panel
 * @param {Section} section
 * @param {(x: number) => number} toX
 * @param {(y: number) => number} toY
 */
function drawFrame(context, panel, section, toX, toY) {
  const [left, right, bottom, top] = [toX(section.left), toX(section.right), toY(section.bottom), toY(section.top)];
  context.strokeStyle = themeColor("hairline");
  context.strokeRect(left - 6, top - 6, right - left + 12, bottom - top + 12);
  context.fillStyle = themeColor("text-soft");
  context.textBaseline = "top";
  context.textAlign = "left";
  context.fillText(formatFigure(section.left), left - 6, bottom + 10);
  context.textAlign = "right";
  context.fillText(formatFigure(section.right), right + 6, bottom + 10);
  context.textAlign = "center";
  context.fillText(panel.x, (left + right) / 2, bottom + 10, Math.max(right - left - 80, 60));
  context.textAlign = "left";
  context.textBaseline = "bottom";
  context.fillText(`${panel.y} ${formatFigure(section.bottom)} to ${formatFigure(section.top)}`, left - 6, top - 9);
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {PathLine} line
 * @param {(x: number) => number} toX
 * @param {(y: number) => number} toY
 * @param {string} color
 * @param {number} count
 */
function drawPath(context, line, toX, toY, color, count) {
  const points = line.x.map((x, at) => [toX(x), toY(line.y[at])]);
  const finite = points.filter(([x, y]) => Number.isFinite(x) && Number.isFinite(y));
  if (finite.length === 0) {
    return;
  }
  context.strokeStyle = fadedColor(color, count > 40 ? 0.4 : count > 10 ? 0.6 : 0.85);
  context.lineWidth = 1.25;
  context.beginPath();
  let gap = true;
  for (const [x, y] of points) {
    if (!Number.isFinite(x) || !Number.isFinite(y)) {
      gap = true;
    } else {
      context[gap ? "moveTo" : "lineTo"](x, y);
      gap = false;
    }
  }
  context.stroke();
  const [first, last] = [finite[0], finite[finite.length - 1]];
  context.strokeStyle = color;
  traceMark(context, 0, first[0], first[1], 2.5);
  context.stroke();
  drawEnd(context, line.succeeded, last[0], last[1], color);
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {boolean | null} succeeded
 * @param {number} x
 * @param {number} y
 * @param {string} color
 */
function drawEnd(context, succeeded, x, y, color) {
  if (succeeded) {
    context.fillStyle = color;
    traceMark(context, 0, x, y, 3.5);
    context.fill();
    return;
  }
  context.beginPath();
  context.moveTo(x - 3, y - 3);
  context.lineTo(x + 3, y + 3);
  context.moveTo(x - 3, y + 3);
  context.lineTo(x + 3, y - 3);
  context.stroke();
}

/** @param {PathPanel} panel */
function pathTable(panel) {
  const headings = ["episode", "points", "start", "end", "succeeded"].map((title) => element("th", { scope: "col" }, title));
  const place = (/** @type {PathLine} */ line, /** @type {number} */ at) => (at < 0 ? UNKNOWN : `${formatFigure(line.x[at])}, ${formatFigure(line.y[at])}`);
  const rows = panel.lines.map((line) => {
    const cells = [line.x.length, place(line, line.x.length === 0 ? -1 : 0), place(line, line.x.length - 1), line.succeeded === null ? UNKNOWN : line.succeeded ? "yes" : "no"];
    return element("tr", {}, element("th", { scope: "row" }, String(line.episode)), ...cells.map((cell) => element("td", {}, String(cell))));
  });
  return scrollRegion(`Start and end of each episode: ${panel.label}`, element("table", {}, element("thead", {}, element("tr", {}, ...headings)), element("tbody", {}, ...rows)));
}
