//! What each option of moby's functions can change in what they return. An option that is not
//! listed here may change anything.
//!
//! **A new docker release:** a new option of a listed function gets a line; fields that a handler
//! or later code of the daemon newly sets join those of their function in `LATER`.

/// Which objects an option lets a function list or remove.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice {
    /// The same with every value.
    None,
    /// With `true` at least those that it lists with `false`.
    Widens,
    /// Others.
    Any,
}

/// What an option can change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Effect {
    pub option: &'static str,
    pub chooses: Choice,
    /// Fields of the objects, or of the result, that it can change.
    pub tells: &'static [&'static str],
}

const fn chooses(option: &'static str) -> Effect {
    Effect {
        option,
        chooses: Choice::Any,
        tells: &[],
    }
}

const fn widens(option: &'static str) -> Effect {
    Effect {
        option,
        chooses: Choice::Widens,
        tells: &[],
    }
}

const fn tells(option: &'static str, tells: &'static [&'static str]) -> Effect {
    Effect {
        option,
        chooses: Choice::None,
        tells,
    }
}

/// A filter on references leaves out the names of an image that do not fit.
const fn image_filter(option: &'static str) -> Effect {
    Effect {
        option,
        chooses: Choice::Any,
        tells: &["RepoTags", "RepoDigests"],
    }
}

const fn prunes(option: &'static str) -> Effect {
    Effect {
        option,
        chooses: Choice::Any,
        tells: &["SpaceReclaimed"],
    }
}

/// Ends of symbols, and their options. A function may be another one's in another release: names do
/// not clash.
const EFFECTS: &[(&[&str], &[Effect])] = &[
    (
        &["(*Daemon).Containers", "(*Daemon).reduceContainers"],
        &[
            widens("All"),
            chooses("Limit"),
            chooses("Latest"),
            chooses("Since"),
            chooses("Before"),
            chooses("Filters"),
            tells("Size", &["SizeRw", "SizeRootFs"]),
        ],
    ),
    (
        &["(*ImageService).Images"],
        &[
            widens("All"),
            widens("all"),
            image_filter("Filters"),
            image_filter("imageFilters"),
            tells("SharedSize", &["SharedSize"]),
            tells("ContainerCount", &["Containers"]),
            tells("withExtraAttrs", &["SharedSize", "Containers"]),
            tells("Manifests", &["Manifests"]),
            tells("Identity", &["Identity"]),
        ],
    ),
    (&["(*VolumesService).List"], &[chooses("filter")]),
    (
        &["(*Daemon).GetNetworks", "(*Daemon).GetNetworkSummaries"],
        &[chooses("filter")],
    ),
    (
        &[
            "(*Daemon).ContainersPrune",
            "(*Daemon).ContainerPrune",
            "(*Daemon).NetworksPrune",
            "(*Daemon).NetworkPrune",
            "(*ImageService).ImagesPrune",
            "(*ImageService).ImagePrune",
            "(*VolumesService).Prune",
        ],
        &[prunes("pruneFilters"), prunes("filter")],
    ),
    (
        &["(*Daemon).SystemDiskUsage"],
        &[
            tells("Containers", &["Containers"]),
            tells("Images", &["Images", "LayersSize"]),
            tells("Volumes", &["Volumes"]),
        ],
    ),
];

/// What the daemon may still change between the return of a function and its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Later {
    /// What it may do to the list itself, as a sentence goes on: "the daemon itself may …".
    pub adds: Option<&'static str>,
    /// Fields that it may change.
    pub fields: Fields,
}

/// Fields of objects or results.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fields {
    These(&'static [&'static str]),
    /// Which ones is not known.
    Any,
}

/// By functions: handlers change lists by the version of the API and add what swarm's manager
/// knows, disk usage what it counts itself (in 28 the containers of an image). A prune's report is
/// handed out as it is; for the names that prunes have from 29.0 on, and for the whole of disk
/// usage, what becomes of the result is not known.
const LATER: &[(&[&str], Later)] = &[
    (
        &["(*Daemon).Containers", "(*Daemon).reduceContainers"],
        Later {
            adds: None,
            fields: Fields::These(&["ImageManifestDescriptor", "Health"]),
        },
    ),
    (
        &["(*ImageService).Images"],
        Later {
            adds: None,
            fields: Fields::These(&[
                "Containers",
                "VirtualSize",
                "RepoTags",
                "RepoDigests",
                "Descriptor",
            ]),
        },
    ),
    (
        &["(*VolumesService).List"],
        Later {
            adds: Some("add volumes of swarm"),
            fields: Fields::These(&["UsageData"]),
        },
    ),
    (
        &["(*Daemon).GetNetworks", "(*Daemon).GetNetworkSummaries"],
        Later {
            adds: Some("add networks of swarm, or put them in the place of its own,"),
            // a network that swarm's manager knows takes the place of the local one
            fields: Fields::Any,
        },
    ),
    (
        &[
            "(*Daemon).ContainersPrune",
            "(*Daemon).NetworksPrune",
            "(*ImageService).ImagesPrune",
        ],
        Later {
            adds: None,
            fields: Fields::These(&[]),
        },
    ),
];

/// What the daemon may change after the function with that symbol returned; `None`: not known.
pub fn later(symbol: &str) -> Option<Later> {
    LATER
        .iter()
        .find(|(ends, _)| ends.iter().any(|end| symbol.ends_with(end)))
        .map(|(_, later)| *later)
}

/// Whether the function removes what it returns: a later call finds less, whatever its options.
pub fn removes(symbol: &str) -> bool {
    let name = symbol.rsplit('.').next().unwrap_or(symbol);
    EFFECTS
        .iter()
        .any(|(ends, _)| ends.iter().any(|end| symbol.ends_with(end)))
        && name.ends_with("Prune")
}

/// What an option of the function with that symbol can change; `None`: not known.
pub fn effect(symbol: &str, option: &str) -> Option<&'static Effect> {
    EFFECTS
        .iter()
        .filter(|(ends, _)| ends.iter().any(|end| symbol.ends_with(end)))
        .flat_map(|(_, effects)| effects.iter())
        .find(|e| e.option == option)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_option_is_looked_up_by_its_function() {
        let containers = "github.com/docker/docker/daemon.(*Daemon).Containers";
        let images = "github.com/moby/moby/v2/daemon/containerd.(*ImageService).Images";
        let chooses = |symbol, option| effect(symbol, option).map(|e| e.chooses);
        assert_eq!(chooses(containers, "All"), Some(Choice::Widens));
        assert_eq!(chooses(containers, "Size"), Some(Choice::None));
        assert_eq!(chooses(images, "Filters"), Some(Choice::Any));
        // Quiet is handed through and read by nothing that is known here
        assert_eq!(chooses(containers, "Quiet"), None);
        assert_eq!(chooses(containers, "SharedSize"), None);
        assert_eq!(chooses("main.Images", "All"), None);
        assert!(removes(
            "github.com/docker/docker/daemon.(*Daemon).NetworksPrune"
        ));
        assert!(!removes(images) && !removes("main.Prune"));
    }

    #[test]
    fn no_option_is_listed_twice() {
        for (ends, effects) in EFFECTS {
            for (at, one) in effects.iter().enumerate() {
                let again = effects[at + 1..].iter().any(|e| e.option == one.option);
                assert!(!again, "{} of {ends:?}", one.option);
                assert!(
                    one.chooses != Choice::None || !one.tells.is_empty(),
                    "{} of {ends:?} changes nothing",
                    one.option
                );
            }
        }
    }
}
