/** Which runs a state shows, and in which order. */

import { visibleText } from "./format.js";

/** @typedef {import("./address.js").ViewState} ViewState */
/** @typedef {import("./data.js").RunTable} RunTable */
/** @typedef {import("./data.js").TableColumn} TableColumn */

/** @typedef {{ values: string[], pairs: string[] | null, codes: ArrayLike<number> }} SearchColumn lower-case texts; `pairs` are `key=value` */

/** Finds runs by text and by ranges of numbers. Texts are prepared once, each different one once. */
export class RunFilter {
  /** @param {RunTable} table */
  constructor(table) {
    /** @private */
    this.table = table;
    /** @private @type {SearchColumn[] | null} */
    this.searchColumns = null;
    /** @private @type {{ key: string, runs: number[] }} */
    this.last = { key: "", runs: [] };
  }

  /** Prepares the texts, so that the first keystroke is as fast as any. */
  prepareSearch() {
    if (this.searchColumns === null) {
      const columns = this.table.columns.filter((column) => column.group === "config" || column.group === "seed" || !column.numeric);
      this.searchColumns = [this.table.nameColumn, ...columns].map(searchColumnOf);
    }
    return this.searchColumns;
  }

  /**
   * The runs that match, in the order of the data.
   * @param {ViewState} state
   * @returns {number[]}
   */
  matchingRuns(state) {
    const key = JSON.stringify([state.query, state.ranges]);
    if (this.last.key !== key) {
      const mask = new Uint8Array(this.table.count).fill(1);
      for (const term of state.query.toLowerCase().split(/\s+/).filter(Boolean)) {
        this.keepTerm(mask, term);
      }
      for (const [id, [low, high]] of Object.entries(state.ranges)) {
        const column = this.table.column(id);
        if (column?.numeric) {
          keepRange(mask, column, low, high);
        }
      }
      /** @type {number[]} */
      const runs = [];
      mask.forEach((kept, run) => kept && runs.push(run));
      this.last = { key, runs };
    }
    return this.last.runs;
  }

  /**
   * The runs that match, sorted.
   * @param {ViewState} state
   * @returns {number[]}
   */
  sortedRuns(state) {
    const column = this.table.column(state.sort);
    const runs = this.matchingRuns(state);
    return column === undefined ? runs : sortRuns(runs, column, state.descending);
  }

  /**
   * @private
   * @param {Uint8Array} mask
   * @param {string} term
   */
  keepTerm(mask, term) {
    const found = new Uint8Array(mask.length);
    for (const { values, pairs, codes } of this.prepareSearch()) {
      const hits = (term.includes("=") && pairs ? pairs : values).map((text) => text.includes(term));
      for (let run = 0; run < mask.length; run += 1) {
        if (codes[run] >= 0 && hits[codes[run]]) {
          found[run] = 1;
        }
      }
    }
    found.forEach((kept, run) => (mask[run] &= kept));
  }
}

/**
 * @param {TableColumn} column
 * @returns {SearchColumn}
 */
function searchColumnOf(column) {
  const { codes, texts } = column.distinctTexts();
  // What is shown as an escape is found as one, too.
  const values = texts.map((text) => withVisible(text.toLowerCase()));
  const key = column.title.toLowerCase();
  return { values, pairs: column.group === "config" ? values.map((text) => `${key}=${text}`) : null, codes };
}

/**
 * @param {string} text
 * @returns {string}
 */
function withVisible(text) {
  const visible = visibleText(text).toLowerCase();
  return visible === text ? text : `${text}\n${visible}`;
}

/**
 * @param {Uint8Array} mask
 * @param {TableColumn} column
 * @param {number | null} low
 * @param {number | null} high
 */
function keepRange(mask, column, low, high) {
  for (let run = 0; run < mask.length; run += 1) {
    const value = column.number(run);
    const inside = (low === null || value >= low) && (high === null || value <= high);
    mask[run] &= inside && !Number.isNaN(value) ? 1 : 0;
  }
}

/**
 * Sorts by a column; equal ones stay in the order of the data, what is not finite comes last, then what is not known.
 * @param {number[]} runs
 * @param {TableColumn} column
 * @param {boolean} descending
 * @returns {number[]}
 */
function sortRuns(runs, column, descending) {
  const { keys, late } = column.sortOrder();
  const sign = descending ? -1 : 1;
  return [...runs].sort((a, b) => late[a] - late[b] || (late[a] === 0 ? sign * (keys[a] - keys[b]) : 0) || a - b);
}
