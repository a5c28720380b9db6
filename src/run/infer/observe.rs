//! What values stood at each place of the rows: their types, sizes and keys. Values themselves are not kept.

use crate::formats::json::{JsonObject, JsonValue};

/// How deep lists and objects are looked into; what is deeper is kept as JSON.
const MAX_DEPTH: usize = 8;
/// The most keys of an object that can become columns.
const MAX_KEYS: usize = 256;
/// The longest key that can become a column.
const MAX_KEY: usize = 64;
/// The longest list whose elements can become columns of their own.
pub(super) const MAX_ITEMS: usize = 16;

/// What stood at one place.
#[derive(Debug, Clone, Default)]
pub(super) struct Seen {
    /// How often a value other than null stood there.
    pub count: u64,
    /// How often null stood there.
    pub nulls: u64,
    pub bools: u64,
    pub ints: u64,
    /// Integers beyond 64 bits.
    pub big_ints: u64,
    pub floats: u64,
    /// Those of the floats that are `NaN` or infinite.
    pub non_finite: u64,
    /// Those of the finite floats that single precision holds exactly.
    pub single: u64,
    /// Whether any float was no whole number.
    pub has_fraction: bool,
    pub texts: u64,
    /// The smallest number.
    pub least: Option<f64>,
    pub lists: Option<Box<SeenLists>>,
    pub objects: Option<Box<SeenObjects>>,
    /// Lists and objects that were not looked into.
    pub deep: u64,
}

/// The lists that stood at one place.
#[derive(Debug, Clone, Default)]
pub(super) struct SeenLists {
    pub count: u64,
    pub shortest: usize,
    pub longest: usize,
    /// All elements together.
    pub element: Seen,
    /// The elements one by one, if the list is short and in no other list.
    pub items: Vec<Seen>,
}

/// The objects that stood at one place.
#[derive(Debug, Clone, Default)]
pub(super) struct SeenObjects {
    pub count: u64,
    /// In the order in which they were seen first.
    pub members: Vec<(String, Seen)>,
    /// Whether a key cannot name a column, or there were too many.
    pub has_odd_keys: bool,
}

impl Seen {
    fn observe_at(&mut self, value: &JsonValue, depth: usize, in_list: bool) {
        if value.is_null() {
            self.nulls += 1;
            return;
        }
        self.count += 1;
        match value {
            JsonValue::Null => {}
            JsonValue::Bool(_) => self.bools += 1,
            JsonValue::Int(int) => {
                self.ints += 1;
                self.add_number(*int as f64);
            }
            JsonValue::BigInt(_) => self.big_ints += 1,
            JsonValue::Float(float) => {
                self.floats += 1;
                self.non_finite += u64::from(!float.is_finite());
                let is_single = f64::from(*float as f32).to_bits() == float.to_bits();
                self.single += u64::from(float.is_finite() && is_single);
                self.has_fraction |= float.is_finite() && float.fract() != 0.0;
                self.add_number(*float);
            }
            JsonValue::Text(_) => self.texts += 1,
            JsonValue::Array(_) | JsonValue::Object(_) if depth >= MAX_DEPTH => self.deep += 1,
            JsonValue::Array(items) => self.lists.get_or_insert_default().observe(items, depth, in_list),
            JsonValue::Object(object) => self.objects.get_or_insert_default().observe_at(object, depth, in_list),
        }
    }

    fn add_number(&mut self, number: f64) {
        if number.is_finite() {
            self.least = Some(self.least.map_or(number, |least| least.min(number)));
        }
    }

    /// How many kinds of values stood here; ints and floats are one.
    pub fn kinds(&self) -> usize {
        let numbers = self.ints + self.floats + self.big_ints;
        let lists = self.lists.as_ref().map_or(0, |lists| lists.count);
        let objects = self.objects.as_ref().map_or(0, |objects| objects.count);
        [self.bools, numbers, self.texts, lists, objects, self.deep].iter().filter(|count| **count > 0).count()
    }
}

impl SeenLists {
    fn observe(&mut self, items: &[JsonValue], depth: usize, in_list: bool) {
        let length = items.len();
        self.shortest = if self.count == 0 { length } else { self.shortest.min(length) };
        self.longest = self.longest.max(length);
        self.count += 1;
        for item in items {
            self.element.observe_at(item, depth + 1, true);
        }
        // Only outside of lists: else each level would double the work.
        if in_list || length > MAX_ITEMS {
            self.items.clear();
            return;
        }
        if self.items.len() < length {
            self.items.resize_with(length, Seen::default);
        }
        for (seen, item) in self.items.iter_mut().zip(items) {
            seen.observe_at(item, depth + 1, true);
        }
    }
}

impl SeenObjects {
    /// Takes in a row.
    pub fn observe(&mut self, object: &JsonObject) {
        self.observe_at(object, 0, false);
    }

    fn observe_at(&mut self, object: &JsonObject, depth: usize, in_list: bool) {
        self.count += 1;
        for (at, (key, value)) in object.iter().enumerate() {
            let Some(key) = key.as_str().filter(|key| !key.is_empty() && key.len() <= MAX_KEY) else {
                self.has_odd_keys = true;
                continue;
            };
            // Rows of one recorder have their keys in one order.
            let is_same = |member: Option<&(String, Seen)>| member.is_some_and(|(name, _)| name == key);
            let place = match is_same(self.members.get(at)) {
                true => Some(at),
                false => self.members.iter().position(|member| is_same(Some(member))),
            };
            let place = place.unwrap_or(self.members.len());
            if place == self.members.len() && place < MAX_KEYS {
                self.members.push((key.to_owned(), Seen::default()));
            }
            match self.members.get_mut(place) {
                Some((_, seen)) => seen.observe_at(value, depth + 1, in_list),
                None => self.has_odd_keys = true,
            }
        }
    }

    /// What stood under a key.
    pub fn get(&self, key: &str) -> Option<&Seen> {
        self.members.iter().find(|(name, _)| name == key).map(|(_, seen)| seen)
    }

    /// Whether a key was missing in some of the objects, or null.
    pub fn is_optional(&self, member: &Seen) -> bool {
        member.count < self.count
    }

    /// Whether all objects have the same keys.
    pub fn has_fixed_keys(&self) -> bool {
        !self.has_odd_keys
            && !self.members.is_empty()
            && self.members.iter().all(|(_, member)| member.count + member.nulls == self.count)
    }
}
