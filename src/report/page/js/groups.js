/** Runs of one experiment and one configuration, whatever their seeds: each is a group, with the mean of each figure. */

import { hashText } from "./format.js";
import { meanInterval } from "./statistics.js";

/** @typedef {import("./data.js").RunTable} RunTable */
/** @typedef {import("./data.js").TableColumn} TableColumn */
/** @typedef {import("./statistics.js").MeanInterval} MeanInterval */
/** @typedef {{ reference: string, runs: number[] }} RunGroup */

const GROUP_PREFIX = "group:";

/** The groups of all runs, made once; a filter leaves a part of each. */
export class RunGroups {
  /** @param {RunTable} table */
  constructor(table) {
    /** @private */
    this.table = table;
    /** @private @type {{ codes: Int32Array, references: string[] } | null} */
    this.made = null;
  }

  /** @private */
  groupCodes() {
    if (this.made === null) {
      const columns = this.table.columns.filter((column) => column.group === "config").map((column) => column.distinctTexts());
      const codes = new Int32Array(this.table.count);
      /** @type {Map<string, number>} */
      const known = new Map();
      /** @type {string[]} */
      const references = [];
      for (let run = 0; run < codes.length; run += 1) {
        const key = JSON.stringify([this.table.experiment(run), columns.map(({ codes: values }) => values[run])]);
        let code = known.get(key);
        if (code === undefined) {
          code = known.size;
          known.set(key, code);
          references.push(this.referenceOf(run));
        }
        codes[run] = code;
      }
      this.made = { codes, references };
    }
    return this.made;
  }

  /**
   * A name of the group for addresses, made of its values: it does not depend on which other runs there are.
   * @private
   * @param {number} run
   * @returns {string}
   */
  referenceOf(run) {
    const values = this.table.columns.filter((column) => column.group === "config").map((column) => [column.id, column.exact(run)]);
    return GROUP_PREFIX + hashText(JSON.stringify([this.table.experiment(run), values]));
  }

  /**
   * @param {number[]} runs
   * @returns {RunGroup[]} in the order of their first runs
   */
  groupRuns(runs) {
    const { codes, references } = this.groupCodes();
    /** @type {Map<number, number[]>} */
    const members = new Map();
    for (const run of runs) {
      const list = members.get(codes[run]);
      if (list === undefined) {
        members.set(codes[run], [run]);
      } else {
        list.push(run);
      }
    }
    return [...members].map(([code, list]) => ({ reference: references[code], runs: list }));
  }

  /**
   * How many runs of the report are in the group of this run.
   * @param {number} run
   */
  sizeOf(run) {
    const { codes } = this.groupCodes();
    return codes.reduce((sum, code) => sum + (code === codes[run] ? 1 : 0), 0);
  }
}

/**
 * Whether grouped runs are described by one value of this column (`same`), by a mean, or not at all.
 * @param {TableColumn} column
 * @returns {"same" | "mean" | "none"}
 */
export function groupedAs(column) {
  if (column.group === "config") {
    return "same";
  }
  return column.numeric && (column.group === "figure" || column.group === "metric") ? "mean" : "none";
}

/**
 * @param {RunGroup} group
 * @param {TableColumn} column
 * @returns {MeanInterval}
 */
export function groupMean(group, column) {
  return meanInterval(group.runs.map((run) => column.number(run)));
}

/**
 * Sorts groups by the size (`n`), or by a column: its mean, or the value that a group's runs have in common.
 * @param {RunGroup[]} groups
 * @param {RunTable} table
 * @param {string} sort
 * @param {boolean} descending
 * @returns {RunGroup[]}
 */
export function sortGroups(groups, table, sort, descending) {
  const column = table.column(sort);
  if (column === undefined && sort !== "n") {
    return groups;
  }
  const sign = descending ? -1 : 1;
  const keyed = groups.map((group, at) => ({ group, at, key: column === undefined ? group.runs.length : groupKey(group, column) }));
  keyed.sort((a, b) => Number(Number.isNaN(a.key)) - Number(Number.isNaN(b.key)) || sign * (a.key - b.key) || a.at - b.at);
  return keyed.map(({ group }) => group);
}

/**
 * @param {RunGroup} group
 * @param {TableColumn} column
 * @returns {number} NaN sorts last
 */
function groupKey(group, column) {
  if (groupedAs(column) === "mean") {
    return groupMean(group, column).mean;
  }
  const { keys, late } = column.sortOrder();
  return late[group.runs[0]] === 0 ? keys[group.runs[0]] : NaN;
}
