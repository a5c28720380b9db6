/** Runs of one experiment and one configuration, whatever their seeds: each is a group, with the mean of each figure. */

import { hashText, shortText } from "./format.js";
import { meanInterval } from "./statistics.js";

/** @typedef {import("./data.js").RunTable} RunTable */
/** @typedef {import("./data.js").TableColumn} TableColumn */
/** @typedef {import("./statistics.js").MeanInterval} MeanInterval */
/** @typedef {{ reference: string, runs: number[] }} RunGroup */

const GROUP_PREFIX = "group:";
const LABEL_VALUES = 3;
const MOST_LABEL_VALUES = 8;

/** The groups of all runs; a filter leaves a part of each. */
export class RunGroups {
  /** @param {RunTable} table */
  constructor(table) {
    /** @private */
    this.table = table;
    /** @private */
    this.codes = table.report.runs.groups;
    /** @private @type {Map<number, string> | null} */
    this.references = null;
    /** @private @type {Map<number, string> | null} */
    this.labels = null;
  }

  /**
   * The experiment, and as many values of the configuration as tell this report's groups apart.
   * @param {RunGroup} group
   * @returns {string}
   */
  labelOf(group) {
    if (this.labels === null) {
      const columns = this.table.columns.filter((column) => column.group === "config");
      const firsts = this.groupRuns(this.table.names.map((_, run) => run)).groups.map((one) => one.runs[0]);
      let labels = firsts.map((run) => this.labelWith(run, columns.slice(0, LABEL_VALUES)));
      for (let count = LABEL_VALUES + 1; count <= Math.min(columns.length, MOST_LABEL_VALUES) && new Set(labels).size < labels.length; count += 1) {
        labels = firsts.map((run) => this.labelWith(run, columns.slice(0, count)));
      }
      this.labels = new Map(firsts.map((run, at) => [this.codes[run], labels[at]]));
    }
    return this.labels.get(this.codes[group.runs[0]]) ?? "";
  }

  /**
   * @private
   * @param {number} run
   * @param {TableColumn[]} columns
   */
  labelWith(run, columns) {
    const values = columns.map((column) => `${shortText(column.title.split(".").pop() ?? "", 20)} ${shortText(column.text(run), 16)}`);
    return [shortText(this.table.experiment(run), 24), ...values].join(" · ");
  }

  /**
   * Names of the groups for addresses, made of their values: they do not depend on which other runs there are.
   * @private
   */
  referencesByCode() {
    if (this.references === null) {
      const columns = this.table.columns.filter((column) => column.group === "config");
      this.references = new Map();
      /** @type {Map<string, number>} */
      const used = new Map();
      for (let run = 0; run < this.table.count; run += 1) {
        if (!this.references.has(this.codes[run])) {
          const hash = hashText(JSON.stringify([this.table.experiment(run), columns.map((column) => [column.id, column.exact(run)])]));
          const same = used.get(hash) ?? 0;
          used.set(hash, same + 1);
          this.references.set(this.codes[run], `${GROUP_PREFIX}${hash}${same === 0 ? "" : `.${same}`}`);
        }
      }
    }
    return this.references;
  }

  /**
   * @param {number[]} runs
   * @returns {{ groups: RunGroup[], leftOut: number }} the groups in the order of their first runs, and how many runs are in none
   */
  groupRuns(runs) {
    const references = this.referencesByCode();
    /** @type {Map<number, number[]>} */
    const members = new Map();
    let leftOut = 0;
    for (const run of runs) {
      const code = this.codes[run];
      if (code < 0) {
        leftOut += 1;
      } else if (!members.get(code)?.push(run)) {
        members.set(code, [run]);
      }
    }
    return { groups: [...members].map(([code, list]) => ({ reference: references.get(code) ?? "", runs: list })), leftOut };
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
