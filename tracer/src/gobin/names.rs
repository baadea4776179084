//! Names of types, hashed: which descriptors may have a name, without a walk over all of them.
//!
//! The key of a name is what follows its last dot: it is the same in the short name, which
//! descriptors hold, and in the full one, which is asked for. So an index answers with candidates,
//! whose full names tell.

use super::model::TypeId;

/// Sorted (key, distance from the base) of every type that has a name.
#[derive(Debug)]
pub struct NameIndex {
    base: u64,
    entries: Vec<(u32, u32)>,
}

impl NameIndex {
    /// Types by their short names. Those that lie farther than 4 GiB behind `base` are in no
    /// program that could be linked, and are left out.
    pub fn new<'n>(base: u64, types: impl Iterator<Item = (TypeId, &'n str)>) -> Self {
        let mut entries: Vec<(u32, u32)> = types
            .filter_map(|(id, name)| {
                let distance = u32::try_from(id.0.checked_sub(base)?).ok()?;
                Some((key(name), distance))
            })
            .collect();
        entries.sort_unstable();
        entries.dedup();
        Self { base, entries }
    }

    /// Types that may have that name, by address; all that have it are among them.
    pub fn candidates(&self, name: &str) -> impl Iterator<Item = TypeId> + '_ {
        let key = key(name);
        let from = self.entries.partition_point(|(k, _)| *k < key);
        self.entries
            .get(from..)
            .unwrap_or_default()
            .iter()
            .take_while(move |(k, _)| *k == key)
            .map(|(_, distance)| TypeId(self.base.saturating_add(u64::from(*distance))))
    }
}

/// FNV-1a of what follows the last dot, stars in front left out.
fn key(name: &str) -> u32 {
    let name = name.trim_start_matches('*').as_bytes();
    let from = memchr::memrchr(b'.', name).map_or(0, |at| at + 1);
    name.get(from..)
        .unwrap_or_default()
        .iter()
        .fold(0x811c_9dc5, |hash, byte| {
            (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn full_and_short_names_have_one_key() {
        for (short, full) in [
            (
                "types.Container",
                "github.com/docker/docker/api/types.Container",
            ),
            ("*yaml.Node", "gopkg.in/yaml.v3.Node"),
            ("error", "error"),
            ("**int", "int"),
            ("map[string]struct {}", "map[string]struct {}"),
            (
                "singleflight.Group[string,*x.T]",
                "resenje.org/singleflight.Group[string,*x.T]",
            ),
        ] {
            assert_eq!(key(short), key(full), "{short}");
        }
        assert_ne!(key("a.Container"), key("a.Containers"));
    }

    #[test]
    fn candidates_are_all_of_a_name() {
        let types = [
            (TypeId(0x1010), "*a.T"),
            (TypeId(0x1030), "b.T"),
            (TypeId(0x1020), "b.U"),
        ];
        let index = NameIndex::new(0x1000, types.into_iter());
        let found: Vec<TypeId> = index.candidates("x/b.T").collect();
        assert_eq!(found, [TypeId(0x1010), TypeId(0x1030)]);
        assert_eq!(index.candidates("b.V").count(), 0);
        let far = [(TypeId(0xfff), "b.T"), (TypeId(1 << 40), "b.T")];
        assert_eq!(
            NameIndex::new(0x1000, far.into_iter())
                .candidates("b.T")
                .count(),
            0
        );
    }
}
