//! Plans in older recordings, lifted to what this build goes by.

use super::candidate::ERROR;
use super::roles;
use super::schema::{Meaning, Plan, Role};

/// Format of recordings from which on a value says what it means.
const MEANINGS: u32 = 5;
/// Format from which on `Do` of a singleflight group says what is known of the group.
const GROUPS: u32 = 6;

impl Plan {
    /// The plan of a recording of that format, with what it said in another way then.
    #[must_use]
    pub fn lifted(mut self, format: u32) -> Self {
        if format < MEANINGS {
            // a result had this name if, and only if, it was the call's error
            let results = self.functions.iter_mut().flat_map(|f| &mut f.results);
            for error in results.filter(|r| r.name == ERROR) {
                error.meaning = Meaning::Error;
            }
        }
        if format < GROUPS {
            let joins = self.functions.iter_mut().filter(|f| f.role == Role::Join);
            for join in joins {
                join.group = roles::group_of(&join.name);
            }
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::super::schema::FuncSchema;
    use super::*;
    use crate::provenance::examples::{function, schema};

    #[test]
    fn the_error_of_an_old_plan_is_known_by_its_name() {
        let of = |format| {
            let mut f = function("f", &["error"]);
            f.results = vec![schema("result"), schema("error")];
            let functions = vec![f];
            let plan = Plan {
                functions,
                ..Plan::default()
            };
            let plan = plan.lifted(format);
            (
                plan.functions[0].error_result(),
                plan.functions[0].params[0].is_error(),
            )
        };
        assert_eq!(of(4), (Some(1), false));
        assert_eq!(of(5), (None, false));
    }

    #[test]
    fn the_group_of_an_old_plan_is_known_by_its_symbol() {
        use super::super::schema::{GroupKeys, GroupPackage, GroupResult, GroupSchema};
        let name = "resenje.org/singleflight.(*Group[go.shape.struct {},go.shape.*uint8]).Do";
        let of = |format| {
            let join = FuncSchema {
                role: Role::Join,
                ..function(name, &[])
            };
            let plan = Plan {
                functions: vec![join, function(name, &[])],
                ..Plan::default()
            };
            let plan = plan.lifted(format);
            (plan.functions[0].group, plan.functions[1].group)
        };
        let known = GroupSchema {
            package: GroupPackage::Resenje,
            keys: GroupKeys::One,
            result: GroupResult::Pointer,
        };
        assert_eq!(of(5), (Some(known), None), "a traced call is no join");
        assert_eq!(of(6), (None, None));
    }

    #[test]
    fn words_of_old_plans_are_read() {
        use super::super::schema::{SignatureSource, Unplaced};
        let source = |json: &str| serde_json::from_str::<SignatureSource>(json).expect("source");
        for (old, new) in [
            ("\"method table\"", SignatureSource::MethodTable),
            ("\"interface\"", SignatureSource::Interface),
            ("\"instantiation\"", SignatureSource::Instantiation),
            ("\"DWARF\"", SignatureSource::Dwarf),
            ("\"catalogue\"", SignatureSource::Catalogue),
            ("\"none\"", SignatureSource::None),
        ] {
            assert_eq!(source(old), new);
            let written = serde_json::to_string(&new).expect("JSON");
            assert_eq!(source(&written), new);
        }
        let reason = |json: &str| serde_json::from_str::<Unplaced>(json).expect("reason");
        let said = "\"it lies in floating-point registers, which a probe cannot read\"";
        assert_eq!(reason(said), Unplaced::FloatRegisters);
        assert_eq!(reason("\"float-registers\""), Unplaced::FloatRegisters);
        assert_eq!(
            reason("\"a novel one\""),
            Unplaced::Other("a novel one".into())
        );
    }
}
