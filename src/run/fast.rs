//! Reads rows fast.
//!
//! All lines of one recorder have the same keys in the same order. A line that the general parser read without a fault
//! becomes the model for the next one: the bytes between the values must be the same again, and the values are read in
//! place. A line that differs, or is not plainly good, goes to the general parser, so the outcome is always that of
//! `run::row`; a property test compares the two.
//!
//! No fault is found here and no error is made: the fast parser only ever says "not mine".

use std::ops::Range;

use crate::formats::json::scanner::JsonCursor;
use crate::run::layout::RunStream;
use crate::run::row::{BadLine, FieldSlot, ParsedRow, RowFault, RowParser, SlotSet, push_member};
use crate::run::rows::NULL_ELEMENT;
use crate::run::schema::SchemaVersion;

/// Parses the rows of a stream.
#[derive(Debug)]
pub struct FastParser {
    stream: RunStream,
    general: RowParser,
    model: Option<LineModel>,
    /// Lines to parse the general way before a line becomes a model again: a model that does not fit costs time.
    wait: u32,
    misses: u32,
}

/// A line that the next line is compared with.
#[derive(Debug, Default)]
struct LineModel {
    /// The bytes between the values (literals), end to end.
    bytes: Vec<u8>,
    values: Vec<ModelValue>,
    /// The literal after the last value.
    tail: Range<usize>,
    run_id: String,
    schema: Option<SchemaVersion>,
    /// The fields that every line like this one has, null or not.
    fields: SlotSet,
}

#[derive(Debug)]
struct ModelValue {
    /// The literal before the value.
    before: Range<usize>,
    slot: Option<FieldSlot>,
    /// An unknown field's key with its quotes: how many bytes before the value it starts, and its length.
    key: (usize, usize),
}

impl FastParser {
    /// Makes a parser for this stream's rows.
    #[must_use]
    pub fn new(stream: RunStream) -> Self {
        Self { stream, general: RowParser::new(stream), model: None, wait: 0, misses: 0 }
    }

    /// Parses one line, with or without its line break. An `Ok` row can have faults.
    pub fn parse(&mut self, line: &[u8], row: &mut ParsedRow) -> Result<(), BadLine> {
        if let Some(model) = &self.model {
            if model.match_line(line, row, self.stream).is_some() {
                self.misses = 0;
                return Ok(());
            }
            // Each model that fails doubles the wait, up to 1023 lines: on a stream without two lines alike the models
            // cost next to nothing.
            self.misses = (self.misses + 1).min(10);
        }
        self.general.parse(line, row)?;
        // Not every line becomes a model, because making one copies the literals.
        if self.wait > 0 {
            self.wait -= 1;
        // A model must be free of faults, so that a line like it is, too.
        } else if !self.general.irregular && row.faults.iter().all(|f| matches!(f, RowFault::Unknown(_))) {
            self.model = Some(LineModel::from_line(line, &self.general, row));
            self.wait = (1 << self.misses) - 1;
        }
        Ok(())
    }
}

impl LineModel {
    fn from_line(line: &[u8], parser: &RowParser, row: &ParsedRow) -> Self {
        let mut model = Self { run_id: row.run_id.clone(), schema: row.schema, ..Self::default() };
        let mut from = 0;
        let bytes_of = |range: Range<usize>| line.get(range).unwrap_or_default();
        for seen in &parser.seen {
            // For speed: run id and schema are the same in every line, so they are a part of the literal.
            if matches!(seen.slot, Some(FieldSlot::RunId | FieldSlot::Schema)) {
                model.fields.0 |= seen.slot.map_or(0, |slot| 1 << slot as u8);
                continue;
            }
            let start = model.bytes.len();
            model.bytes.extend_from_slice(bytes_of(from..seen.value.start));
            model.values.push(ModelValue {
                before: start..model.bytes.len(),
                slot: seen.slot,
                key: (seen.value.start - seen.key.start, seen.key.len()),
            });
            if let Some(slot) = seen.slot {
                model.fields.insert(slot);
            }
            from = seen.value.end;
        }
        let start = model.bytes.len();
        model.bytes.extend_from_slice(bytes_of(from..line.len()));
        model.tail = start..model.bytes.len();
        // The schema can be null, and is not present then; run_id and position are required, so they are.
        if row.schema.is_none() {
            model.fields.0 &= !(1 << FieldSlot::Schema as u8);
        }
        model.fields.insert(FieldSlot::Position);
        model
    }

    fn literal_bytes(&self, range: &Range<usize>) -> &[u8] {
        self.bytes.get(range.clone()).unwrap_or_default()
    }

    /// Parses a line like this one; `None` for any other line, and then `row` holds leftovers.
    ///
    /// One function of 80 lines: it runs for each value of each line, and calls for its arms would cost a part of the time.
    #[inline]
    fn match_line(&self, line: &[u8], row: &mut ParsedRow, stream: RunStream) -> Option<()> {
        row.faults.clear();
        row.observation.clear();
        row.extra.clear();
        row.bad = SlotSet::default();
        row.lossy = false;
        // All of the model's fields; `take_null` removes those that are null in this line.
        row.present = self.fields;
        let mut at = 0;
        for value in &self.values {
            // One comparison checks all keys, colons and blanks up to the next value.
            let literal = self.literal_bytes(&value.before);
            if !line.get(at..)?.starts_with(literal) {
                return None;
            }
            at += literal.len();
            let rest = line.get(at..)?;
            let Some(slot) = value.slot else {
                at += take_unknown(line, at, value.key, row)?;
                continue;
            };
            at += match slot {
                FieldSlot::EpisodeId => take_episode_id(rest, row)?,
                FieldSlot::Terminated | FieldSlot::Truncated => {
                    // What follows the value is compared with the next literal, here and in every arm.
                    let is_true = rest.starts_with(b"true");
                    if !is_true && !rest.starts_with(b"false") {
                        return None;
                    }
                    row.set_bool(slot, is_true);
                    if is_true { 4 } else { 5 }
                }
                FieldSlot::Count | FieldSlot::Action | FieldSlot::X | FieldSlot::Y => {
                    let (int, n) = take_int(rest)?;
                    // A step below 1 is a fault, which the general parser reports.
                    if slot == FieldSlot::Count && int < i64::from(stream == RunStream::Steps) {
                        return None;
                    }
                    row.set_int(slot, int);
                    n
                }
                FieldSlot::Seed => match take_null(rest, slot, row) {
                    0 => {
                        let (int, n) = take_int(rest)?;
                        row.set_int(slot, int);
                        n
                    }
                    n => n,
                },
                FieldSlot::Ts | FieldSlot::Reward => {
                    let (float, n) = take_float(rest)?;
                    row.set_float(slot, float);
                    n
                }
                FieldSlot::Distance | FieldSlot::Duration | FieldSlot::AvgStep => {
                    let optional = slot != FieldSlot::Distance || stream == RunStream::Episodes;
                    let n = if optional { take_null(rest, slot, row) } else { 0 };
                    if n > 0 {
                        n
                    } else {
                        let (float, n) = take_float(rest)?;
                        // A negative distance is a fault and a negative time a warning: the general parser reports
                        // both.
                        if float < 0.0 {
                            return None;
                        }
                        row.set_float(slot, float);
                        n
                    }
                }
                FieldSlot::Observation => match take_null(rest, slot, row) {
                    0 => take_floats(rest, &mut row.observation)?,
                    n => n,
                },
                // return None, => Never values of a model: run id and schema are literals, and a position is its `x`
                // and `y`.
                FieldSlot::RunId | FieldSlot::Schema | FieldSlot::Position => return None,
            };
        }
        // The tail includes the line break, so the last line of a file without one goes the general way.
        if line.get(at..)? != self.literal_bytes(&self.tail) {
            return None;
        }
        if !row.extra.is_empty() {
            row.extra.push('}');
        }
        row.schema = self.schema;
        // For speed: no copy while the text is the same, which is nearly always.
        if row.run_id != self.run_id {
            row.run_id.clone_from(&self.run_id);
        }
        Some(())
    }
}

/// Takes a `null` and notes that the field has no value; returns its length, 0 for anything else.
#[inline]
fn take_null(rest: &[u8], slot: FieldSlot, row: &mut ParsedRow) -> usize {
    if rest.first() == Some(&b'n') && rest.starts_with(b"null") {
        row.present.0 &= !(1 << slot as u8);
        match slot {
            FieldSlot::Seed => row.set_int(slot, 0),
            FieldSlot::Observation => {}
            _ => row.set_float(slot, 0.0),
        }
        4
    } else {
        0
    }
}

/// Takes an episode's id that is plain: ASCII without escapes. Returns its length with the quotes.
#[inline]
fn take_episode_id(rest: &[u8], row: &mut ParsedRow) -> Option<usize> {
    let inner = rest.strip_prefix(b"\"")?;
    let id = row.episode_id.as_bytes();
    // For speed: the id of the row before, which `row` still holds, needs no copy.
    if inner.get(id.len()) == Some(&b'"') && inner.starts_with(id) && is_plain(id) {
        return Some(id.len() + 2);
    }
    let end = memchr::memchr(b'"', inner)?;
    let id = inner.get(..end).filter(|id| is_plain(id))?;
    row.episode_id.clear();
    row.episode_id.push_str(std::str::from_utf8(id).ok()?);
    Some(end + 2)
}

/// Whether a text between quotes needs no decoding.
#[inline]
fn is_plain(text: &[u8]) -> bool {
    text.iter().all(|b| matches!(b, b' '..=b'~') && *b != b'"' && *b != b'\\')
}

/// Takes an unknown field's value. Its key is in the literal before it.
fn take_unknown(line: &[u8], at: usize, key: (usize, usize), row: &mut ParsedRow) -> Option<usize> {
    let mut cursor = JsonCursor::at_offset(line, at);
    cursor.take_value(1).ok()?;
    let value = at..cursor.offset();
    std::str::from_utf8(line.get(value.clone())?).ok()?;
    let start = at.checked_sub(key.0)?;
    let (name, _) = push_member(&mut row.extra, line, &(start..start + key.1), &value);
    row.faults.push(RowFault::Unknown(name));
    Some(value.len())
}

/// Takes an integer of at most 18 digits, which never overflows 64 bits. Returns it with its length.
#[inline]
fn take_int(rest: &[u8]) -> Option<(i64, usize)> {
    let negative = rest.first() == Some(&b'-');
    let digits = if negative { rest.get(1..)? } else { rest };
    let (mut value, mut n) = (0_i64, 0);
    for byte in digits {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            break;
        }
        // 19 digits could overflow 64 bits: the general parser decides.
        if n == 18 {
            return None;
        }
        value = value * 10 + i64::from(digit);
        n += 1;
    }
    // JSON has no leading zeros. A fraction or exponent after the digits fails at the next literal.
    if n == 0 || n > 1 && digits.first() == Some(&b'0') {
        return None;
    }
    Some((if negative { -value } else { value }, n + usize::from(negative)))
}

/// Powers of ten that a double holds exactly.
const POWERS: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20,
    1e21, 1e22,
];

/// Reads eight digits at once; `None` if one of the eight bytes is no digit. The test is that of the C++ library
/// fast_float (`is_made_of_eight_digits_fast`).
#[inline]
fn eight_digits(bytes: &[u8]) -> Option<u64> {
    let word = u64::from_le_bytes(*bytes.first_chunk()?);
    let digits = word.wrapping_sub(0x3030_3030_3030_3030);
    // A byte that is no digit sets its top bit in one of the two words.
    if (digits | word.wrapping_add(0x4646_4646_4646_4646)) & 0x8080_8080_8080_8080 != 0 {
        return None;
    }
    // Pairs, then fours, then all eight.
    let pairs = digits.wrapping_mul(10).wrapping_add(digits >> 8);
    let fours = (pairs & 0x00ff_00ff_00ff_00ff).wrapping_mul((100 << 16) + 1) >> 16;
    Some((fours & 0x0000_ffff_0000_ffff).wrapping_mul((10_000 << 32) + 1) >> 32)
}

/// Takes a finite number; returns it with its length. Not finite, or not JSON: `None`.
#[inline]
#[allow(clippy::cast_precision_loss)]
fn take_float(rest: &[u8]) -> Option<(f64, usize)> {
    let negative = rest.first() == Some(&b'-');
    let start = usize::from(negative);
    let mut at = start;
    let mut mantissa = 0_u64;
    while let Some(digit) = rest.get(at).map(|b| b.wrapping_sub(b'0')).filter(|d| *d < 10) {
        mantissa = mantissa.wrapping_mul(10).wrapping_add(u64::from(digit));
        at += 1;
    }
    let mut digits = at - start;
    let starts_with_zero = rest.get(start) == Some(&b'0');
    // JSON needs a digit before the point, and allows no leading zero.
    if digits == 0 || starts_with_zero && digits > 1 {
        return None;
    }
    // A zero before the point is no significant digit.
    if starts_with_zero {
        digits = 0;
    }
    let mut exponent = 0_i32;
    if rest.get(at) != Some(&b'.') {
        if matches!(rest.get(at), Some(b'e' | b'E')) {
            return None;
        }
        if mantissa == 0 {
            // `-0` is an integer in JSON, and integers have no negative zero.
            return Some((0.0, at));
        }
    } else {
        at += 1;
        let first = at;
        // For speed: fractions have up to 17 digits.
        while let Some(eight) = rest.get(at..).and_then(eight_digits) {
            mantissa = mantissa.wrapping_mul(100_000_000).wrapping_add(eight);
            at += 8;
        }
        while let Some(digit) = rest.get(at).map(|b| b.wrapping_sub(b'0')).filter(|d| *d < 10) {
            mantissa = mantissa.wrapping_mul(10).wrapping_add(u64::from(digit));
            at += 1;
        }
        // JSON needs a digit after the point.
        if at == first {
            return None;
        }
        digits += at - first;
        exponent = -i32::try_from(at - first).ok()?;
        if matches!(rest.get(at), Some(b'e' | b'E')) {
            let mut cursor = at + 1;
            let minus = rest.get(cursor) == Some(&b'-');
            cursor += usize::from(minus || rest.get(cursor) == Some(&b'+'));
            let (power, n) = take_int(rest.get(cursor..).filter(|r| r.first() != Some(&b'-'))?)
                .or_else(|| take_zero_padded(rest.get(cursor..)?))?;
            // Beyond a double in any case: the general parser decides.
            if power > 400 {
                return None;
            }
            let power = i32::try_from(power).ok()?;
            exponent += if minus { -power } else { power };
            at = cursor + n;
        }
    }
    // Clinger's fast path: mantissa and power of ten are exact doubles, so one operation rounds correctly. More than 19
    // digits would have overflowed the mantissa.
    let value = if digits <= 19 && mantissa < 1 << 53 && exponent.unsigned_abs() <= 22 {
        let power = POWERS.get(exponent.unsigned_abs() as usize)?;
        let value = if exponent < 0 { mantissa as f64 / power } else { mantissa as f64 * power };
        if negative { -value } else { value }
    } else {
        // Too many digits for the exact path: rounded correctly, but slower.
        fast_float2::parse(rest.get(..at)?).ok()?
    };
    // A number too large for a double is a fault, which the general parser reports.
    value.is_finite().then_some((value, at))
}

/// Takes an exponent with a leading zero, as Python writes it: `05`.
fn take_zero_padded(rest: &[u8]) -> Option<(i64, usize)> {
    let rest = rest.strip_prefix(b"0")?;
    take_int(rest).map(|(value, n)| (value, n + 1))
}

/// Takes a list of numbers and nulls; returns its length.
#[inline]
fn take_floats(rest: &[u8], out: &mut Vec<f64>) -> Option<usize> {
    if rest.first() != Some(&b'[') {
        return None;
    }
    let mut at = 1;
    if rest.get(1) == Some(&b']') {
        return Some(2);
    }
    loop {
        let value = rest.get(at..)?;
        let (float, n) = match take_float(value) {
            Some(read) => read,
            // Python's tokens: in an observation they are allowed.
            None if value.starts_with(b"NaN") => (f64::NAN, 3),
            None if value.starts_with(b"Infinity") => (f64::INFINITY, 8),
            None if value.starts_with(b"-Infinity") => (f64::NEG_INFINITY, 9),
            None if value.starts_with(b"null") => (NULL_ELEMENT, 4),
            None => return None,
        };
        out.push(float);
        at += n;
        match rest.get(at)? {
            b']' => return Some(at + 1),
            // at += 1 + usize::from => `json.dumps` writes one blank after a comma, compact JSON none; other white
            // space goes the general way.
            b',' => at += 1 + usize::from(rest.get(at + 1) == Some(&b' ')),
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests;
