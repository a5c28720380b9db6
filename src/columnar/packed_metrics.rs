//! A run's metrics and seeds as bytes, for what is noted of runs: each float comes back to the bit.

use crate::columnar::metrics::{DeclaredMetric, FigureSet, RunMetrics};
use crate::support::packed::{Packer, Unpacker};
use crate::validate::SeedSummary;

impl RunMetrics {
    /// Adds them to other values.
    pub fn pack(&self, packer: &mut Packer) {
        packer.add_number(self.episodes);
        packer.add_number(self.steps);
        packer.add_optional(self.successes, Packer::add_number);
        let floats = [
            self.success_rate,
            self.mean_reward,
            self.max_reward,
            self.mean_steps,
            self.mean_final_distance,
            self.min_final_distance,
        ];
        floats.into_iter().for_each(|float| packer.add_optional(float, Packer::add_float));
        packer.add_optional(self.declared.as_ref(), |packer, declared| {
            packer.add_list(declared.iter(), |packer, metric| {
                packer.add_text(&metric.name);
                packer.add_optional(metric.value, Packer::add_float);
                packer.add_optional(metric.unit.as_deref(), Packer::add_text);
            });
        });
        self.figures.pack(packer);
        packer.add_number(self.judged);
    }

    /// Reads them back.
    pub fn unpack(unpacker: &mut Unpacker<'_>) -> Option<Self> {
        let metric = |unpacker: &mut Unpacker<'_>| {
            let name = unpacker.text()?.to_owned();
            let value = unpacker.optional(Unpacker::float)?;
            Some(DeclaredMetric { name, value, unit: unpacker.optional(Unpacker::text)?.map(str::to_owned) })
        };
        // In the order in which they are packed.
        Some(Self {
            episodes: unpacker.number()?,
            steps: unpacker.number()?,
            successes: unpacker.optional(Unpacker::number)?,
            success_rate: unpacker.optional(Unpacker::float)?,
            mean_reward: unpacker.optional(Unpacker::float)?,
            max_reward: unpacker.optional(Unpacker::float)?,
            mean_steps: unpacker.optional(Unpacker::float)?,
            mean_final_distance: unpacker.optional(Unpacker::float)?,
            min_final_distance: unpacker.optional(Unpacker::float)?,
            declared: unpacker.optional(|unpacker| unpacker.list(metric))?,
            figures: FigureSet::unpack(unpacker)?,
            judged: unpacker.number()?,
        })
    }
}

impl FigureSet {
    /// Adds it to other values.
    pub fn pack(self, packer: &mut Packer) {
        [self.success, self.reward, self.final_distance].into_iter().for_each(|flag| packer.add_flag(flag));
    }

    /// Reads it back.
    pub fn unpack(unpacker: &mut Unpacker<'_>) -> Option<Self> {
        Some(Self { success: unpacker.flag()?, reward: unpacker.flag()?, final_distance: unpacker.flag()? })
    }
}

impl SeedSummary {
    /// Adds it to other values.
    pub fn pack(&self, packer: &mut Packer) {
        packer.add_number(self.unique_count);
        packer.add_signed(self.min);
        packer.add_signed(self.max);
    }

    /// Reads it back.
    pub fn unpack(unpacker: &mut Unpacker<'_>) -> Option<Self> {
        Some(Self { unique_count: unpacker.number()?, min: unpacker.signed()?, max: unpacker.signed()? })
    }
}
