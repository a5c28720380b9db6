"""What a validator says of one run: codes, and why."""

WARNINGS = {
    "incomplete_episode",
    "ambiguous_episode_id",
    "unknown_field",
    "time_goes_back",
    "unrecognized_file",
    "manifest_mismatch",
}


class Findings:
    """The codes of one run, each with the first reasons for it."""

    def __init__(self):
        self.reasons = {}

    def add(self, code, reason):
        reasons = self.reasons.setdefault(code, [])
        if len(reasons) < 3:
            reasons.append(reason)

    def __contains__(self, code):
        return code in self.reasons

    @property
    def errors(self):
        return sorted(code for code in self.reasons if code not in WARNINGS)

    @property
    def warnings(self):
        return sorted(code for code in self.reasons if code in WARNINGS)
