/** The table of a run's episodes, sorted and shown in parts. */

import { actionButton, announce, element, isolatedText, scrollRegion } from "./dom.js";
import { decimalsFor, formatCount, formatNumber, plural, toNumber, UNKNOWN } from "./format.js";

/** @typedef {import("../report-data").Episodes} Episodes */
/** @typedef {{ title: string, numeric: boolean, text: (at: number) => string, key: (at: number) => number | string }} EpisodeColumn */

const FIRST_SHOWN = 20;
const ENDS = ["terminated", "truncated", "open"];

/**
 * @param {Episodes} episodes
 * @returns {EpisodeColumn[]}
 */
function episodeColumns(episodes) {
  const rewards = episodes.reward.map(toNumber);
  const decimals = decimalsFor(rewards);
  /** @type {EpisodeColumn[]} */
  const columns = [
    { title: "Episode", numeric: true, text: (at) => String(episodes.index[at]), key: (at) => episodes.index[at] },
    { title: "Steps", numeric: true, text: (at) => formatCount(episodes.steps[at]), key: (at) => episodes.steps[at] },
    {
      title: "Reward",
      numeric: true,
      text: (at) => (episodes.reward[at] === null ? UNKNOWN : formatNumber(rewards[at], decimals)),
      key: (at) => (Number.isFinite(rewards[at]) ? rewards[at] : NaN),
    },
    { title: "Success", numeric: false, text: (at) => (episodes.success[at] === null ? UNKNOWN : episodes.success[at] === 1 ? "yes" : "no"), key: (at) => episodes.success[at] ?? NaN },
    { title: "End", numeric: false, text: (at) => ENDS[episodes.end[at]] ?? UNKNOWN, key: (at) => episodes.end[at] },
  ];
  const { ids } = episodes;
  if (ids !== null) {
    columns.push({ title: "Recorder’s name", numeric: false, text: (at) => ids[at] ?? UNKNOWN, key: (at) => ids[at] ?? "" });
  }
  return columns;
}

/**
 * @param {Episodes} episodes
 * @returns {HTMLElement}
 */
export function episodesTable(episodes) {
  const columns = episodeColumns(episodes);
  let order = episodes.index.map((_, at) => at);
  let count = FIRST_SHOWN;
  const body = element("tbody");
  const heading = element("tr");
  const more = actionButton("", () => {
    count = count > FIRST_SHOWN ? FIRST_SHOWN : order.length;
    fill();
  });
  const fill = () => {
    body.replaceChildren(...order.slice(0, count).map((at) => episodeRow(columns, at)));
    more.hidden = order.length <= FIRST_SHOWN;
    more.toggleAttribute("data-print-all", count === FIRST_SHOWN && !more.hidden);
    more.textContent = count > FIRST_SHOWN ? `Show the first ${FIRST_SHOWN}` : `Show all ${formatCount(order.length)}`;
  };
  columns.forEach((column) => heading.append(episodeHeading(column, heading, (descending) => {
    order = sortEpisodes(episodes.index.length, column, descending);
    fill();
    announce(`Sorted by ${column.title}, ${descending ? "descending" : "ascending"}.`);
  })));
  fill();
  const note = order.length < episodes.of ? `The first ${formatCount(order.length)} of ${plural(episodes.of, "episode")}.` : `${plural(episodes.of, "episode")}.`;
  const table = element("table", { class: "episodes" }, element("caption", { class: "visually-hidden" }, "Episodes"), element("thead", {}, heading), body);
  return element("div", {}, element("p", { class: "soft" }, note), scrollRegion("Table of episodes", table), element("p", {}, more));
}

/**
 * @param {EpisodeColumn} column
 * @param {HTMLElement} row
 * @param {(descending: boolean) => void} sort
 */
function episodeHeading(column, row, sort) {
  const button = element("button", { type: "button", class: "sort" }, column.title);
  const heading = element("th", { scope: "col", class: column.numeric ? "number" : false, "aria-sort": "none" }, button);
  button.addEventListener("click", () => {
    const descending = heading.getAttribute("aria-sort") === "ascending";
    row.querySelectorAll("th").forEach((other) => other.setAttribute("aria-sort", "none"));
    heading.setAttribute("aria-sort", descending ? "descending" : "ascending");
    sort(descending);
  });
  return heading;
}

/**
 * @param {number} length
 * @param {EpisodeColumn} column
 * @param {boolean} descending
 */
function sortEpisodes(length, column, descending) {
  const sign = descending ? -1 : 1;
  const keys = Array.from({ length }, (_, at) => column.key(at));
  const late = keys.map((key) => (typeof key === "number" && Number.isNaN(key) ? 1 : 0));
  return keys.map((_, at) => at).sort((a, b) => late[a] - late[b] || sign * (keys[a] < keys[b] ? -1 : keys[a] > keys[b] ? 1 : 0) || a - b);
}

/**
 * @param {EpisodeColumn[]} columns
 * @param {number} at
 */
function episodeRow(columns, at) {
  const row = element("tr");
  columns.forEach((column, which) => {
    const text = column.text(at);
    const names = `${column.numeric ? "number" : ""} ${text === UNKNOWN ? "unknown" : ""}`.trim();
    const cell = which === 0 ? element("th", { scope: "row", class: names }) : element("td", { class: names || false });
    cell.append(isolatedText(text, 60));
    row.append(cell);
  });
  return row;
}
