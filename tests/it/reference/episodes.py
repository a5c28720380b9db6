"""Episodes: the order of their steps, and their summaries against them.

A line that cannot be read may have been a row of any episode. What it explains is not reported again: one fault has one
code.
"""

import math

from .numbers import FLOATS, close, sum_of_float32

FLAGS = ("terminated", "truncated")


class Episode:
    """What the steps of one episode say."""

    def __init__(self, tracked):
        self.previous = None
        self.count = 0
        self.flags = {}
        # True, False, or None if its last row does not say it readably.
        self.ended = False
        self.over = False
        # No total of it is compared: it lacks rows, or has some too many.
        self.broken = False
        self.lost_before = 0
        self.reset = {}
        self.values = {name: [] for name in tracked}
        self.bad = set()

    def take(self, row, step):
        self.previous = step
        self.count += step >= 1
        self.bad |= row.bad
        for name, values in self.values.items():
            if step >= 1:
                values.append(row.values.get(name))
            elif name in row.values:
                self.reset[name] = row.values[name]
        self.flags = {flag: row.values.get(flag) for flag in FLAGS}
        flags = self.flags.values()
        self.ended = True if True in flags else None if None in flags else False


class Episodes:
    """All episodes of a run, filled row by row."""

    def __init__(self, schema, findings):
        self.schema = schema
        self.findings = findings
        self.tracked = {column.equals[1] for column in schema.episodes.columns.values() if column.equals}
        if schema.has_reward:
            self.tracked.add("reward")
        self.of_key = {}
        self.summaries = {}
        self.lost_rows = 0
        self.lost_summaries = 0
        self.times = []

    def lose_rows(self, count):
        self.lost_rows += count

    def lose_summaries(self, count):
        self.lost_summaries += count

    def key(self, row):
        if "episode_id" not in row.values or "agent" in row.bad:
            return None
        return row.values["episode_id"], row.values.get("agent") if self.schema.has_agents else None

    def add_step(self, row):
        key = self.key(row)
        if key is None:
            self.lost_rows += 1
            return
        step = row.values.get("step")
        episode = self.of_key.get(key)
        if episode is not None and episode.ended:
            self.add_after_end(row.line, episode, step)
            return
        self.times.append((row.line, key, row.values.get("ts")))
        if episode is None:
            episode = self.of_key[key] = Episode(self.tracked)
            expected = 0 if self.schema.reset_rows else 1
            if row.counts_from_zero:
                step, expected, episode.broken = 0, 0, True
        else:
            expected = episode.previous + 1
        if step is None:
            step = expected
        if step != expected:
            episode.broken = True
            if not 0 < step - expected <= self.lost_rows - episode.lost_before:
                self.findings.add("step_sequence", f"{row.line}: {key}: step {step} instead of {expected}")
        episode.lost_before = self.lost_rows
        episode.take(row, step)

    def add_after_end(self, line, episode, step):
        if episode.over:
            return
        episode.over = episode.broken = True
        if step == 1 or step == 0 and self.schema.reset_rows:
            self.findings.add("duplicate_episode", f"{line}: begins again")
        else:
            self.findings.add("steps_after_end", f"{line}: step {step}")

    def add_summary(self, row):
        key = self.key(row)
        if key is None:
            self.lost_summaries += 1
        elif key in self.summaries:
            self.findings.add("duplicate_episode", f"{row.line}: a second summary of {key}")
        else:
            self.summaries[key] = row

    def check_times(self):
        """Rows of a run are in order; where episodes interleave, those of an episode are."""
        closed, last, interleaved = set(), None, False
        for _, key, _ in self.times:
            if key != last:
                interleaved |= key in closed
                closed.add(last)
                last = key
        latest = {}
        for line, key, ts in self.times:
            lane = key if interleaved else None
            if ts is not None:
                if ts < latest.get(lane, -math.inf):
                    self.findings.add("time_goes_back", f"{line}: ts {ts}")
                latest[lane] = ts

    def check_unfinished(self):
        """Where nobody wrote summaries, they follow from the steps; only a missing end is worth a word."""
        for key, episode in self.of_key.items():
            if episode.ended is False and not self.may_lack_last_row(episode):
                self.findings.add("incomplete_episode", str(key))

    def check_summaries(self, is_empty):
        without_steps = [key for key in self.summaries if key not in self.of_key]
        if len(without_steps) > self.lost_rows and "no_steps" not in self.findings:
            self.findings.add("episode_without_steps", str(without_steps[:3]))
        finished = []
        for key, episode in self.of_key.items():
            if key in self.summaries:
                self.compare(key, episode, self.summaries[key])
            elif episode.ended:
                finished.append(key)
            elif episode.ended is False:
                self.findings.add("incomplete_episode", str(key))
        if is_empty and (finished or not self.of_key or self.lost_summaries):
            self.findings.add("no_episodes", "no summary")
        elif len(finished) > self.lost_summaries:
            self.findings.add("steps_without_episode", str(finished[:3]))

    def may_lack_last_row(self, episode):
        return not episode.ended and self.lost_rows > episode.lost_before

    def compare(self, key, episode, summary):
        if episode.broken or self.may_lack_last_row(episode):
            return
        total_steps = summary.values.get("total_steps")
        if total_steps is not None and total_steps != episode.count:
            self.findings.add("episode_steps_mismatch", f"{key}: {total_steps}, but {episode.count} rows")
            return
        for flag in FLAGS:
            if None not in (summary.values.get(flag), episode.flags[flag]):
                if summary.values[flag] != episode.flags[flag]:
                    self.findings.add("episode_final_mismatch", f"{key}: {flag}")
        if self.schema.has_reward and "reward" not in episode.bad and "total_reward" in summary.values:
            if not is_sum(summary.values["total_reward"], present(episode.values["reward"])):
                self.findings.add("episode_reward_mismatch", f"{key}: {summary.values['total_reward']}")
        for column in self.schema.episodes.columns.values():
            if not column.equals or column.equals[1] in episode.bad or column.name not in summary.values:
                continue
            if not agrees(column, summary.values[column.name], episode):
                final = column.equals[0] == "last"
                code = "episode_final_mismatch" if final else "episode_summary_mismatch"
                self.findings.add(code, f"{key}: {column.name} is {summary.values[column.name]!r}")


def present(values):
    return [value for value in values if value is not None]


def is_sum(total, values):
    if close(total, math.fsum(values) if all(map(math.isfinite, values)) else sum(values), sum(map(abs, values))):
        return True
    single = sum_of_float32(values)
    return single is not None and close(total, single)


def agrees(column, told, episode):
    function, name = column.equals
    values = episode.values[name]
    if function == "first" and name in episode.reset:
        values = [episode.reset[name]]
    if function == "first":
        values = values[:1]
    if function == "last":
        values = values[-1:]
    values = present(values)
    if not values:
        return True
    if function in ("first", "last"):
        return same(column, told, values[0])
    if function == "any":
        return told == any(values)
    if function in ("min", "max"):
        return same(column, told, (min if function == "min" else max)(values))
    if column.dtype not in FLOATS:
        return told * (len(values) if function == "mean" else 1) == sum(values)
    if function == "sum":
        return is_sum(told, values)
    return close(told, sum(values) / len(values), sum(map(abs, values)) / len(values))


def same(column, left, right):
    return close(left, right) if column.dtype in FLOATS else left == right
