//! A distribution of durations in bounded memory.

use std::collections::BTreeMap;

/// Durations, each rounded to three significant digits: as many as are ever shown, and at most a
/// few thousand different ones.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Durations {
    counts: BTreeMap<u64, u64>,
    total: u64,
}

impl Durations {
    /// Adds one, in ns.
    pub fn add(&mut self, ns: u64) {
        *self.counts.entry(rounded(ns)).or_default() += 1;
        self.total += 1;
    }

    #[must_use]
    pub fn count(&self) -> u64 {
        self.total
    }

    /// The smallest duration that at least `percent` of a hundred do not exceed (nearest rank), ns.
    #[must_use]
    pub fn percentile(&self, percent: u64) -> Option<u64> {
        let rank = self.total.checked_mul(percent)?.div_ceil(100).max(1);
        let mut seen = 0;
        self.counts
            .iter()
            .find(|(_, n)| {
                seen += **n;
                seen >= rank
            })
            .map(|(ns, _)| *ns)
    }
}

fn rounded(ns: u64) -> u64 {
    let digits = ns.checked_ilog10().unwrap_or(0);
    let scale = 10u64.pow(digits.saturating_sub(2));
    (ns / scale + u64::from(ns % scale >= scale.div_ceil(2) && scale > 1)).saturating_mul(scale)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_digits_are_kept() {
        assert_eq!(rounded(0), 0);
        assert_eq!(rounded(999), 999);
        assert_eq!(rounded(1_234), 1_230);
        assert_eq!(rounded(1_235), 1_240);
        assert_eq!(rounded(9_996), 10_000);
        assert_eq!(rounded(u64::MAX), 18_400_000_000_000_000_000);
    }

    #[test]
    fn percentiles_are_values_that_occurred() {
        let mut d = Durations::default();
        assert_eq!(d.percentile(50), None);
        for ns in [1, 2, 3, 4, 100] {
            d.add(ns);
        }
        assert_eq!(d.percentile(50), Some(3));
        assert_eq!(d.percentile(99), Some(100));
        assert_eq!(d.percentile(0), Some(1));
        d.add(3);
        assert_eq!((d.percentile(50), d.count()), (Some(3), 6));
    }

    #[test]
    fn memory_is_bounded() {
        let mut d = Durations::default();
        for ns in 0..200_000u64 {
            d.add(ns * 7_919);
        }
        assert!(d.counts.len() < 9_000, "{}", d.counts.len());
    }
}
