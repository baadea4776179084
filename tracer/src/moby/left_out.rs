//! Routes whose handlers reach no function of any profile, and why.
//!
//! **A new docker release:** a test reads the routes out of each stock daemon; one that neither
//! leads to a profile nor stands here fails it. Paths are spelled as in [`super::routes`].

/// Routes that are left out for one reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeftOut {
    pub why: &'static str,
    /// Methods and paths.
    pub routes: &'static [(&'static str, &'static str)],
}

/// All of them.
pub const LEFT_OUT: &[LeftOut] = &[
    LeftOut {
        why: "answered by the handler itself",
        routes: &[
            ("GET", "/_ping"),
            ("HEAD", "/_ping"),
            ("OPTIONS", "/{anyroute}"),
        ],
    },
    LeftOut {
        why: "served by Go's own packages, in debug mode only",
        routes: &[
            ("GET", "/debug/vars"),
            ("GET", "/debug/pprof/"),
            ("GET", "/debug/pprof/cmdline"),
            ("GET", "/debug/pprof/profile"),
            ("GET", "/debug/pprof/symbol"),
            ("GET", "/debug/pprof/trace"),
            ("GET", "/debug/pprof/{name}"),
            ("GET", "/vars"),
            ("GET", "/pprof/"),
            ("GET", "/pprof/cmdline"),
            ("GET", "/pprof/profile"),
            ("GET", "/pprof/symbol"),
            ("GET", "/pprof/trace"),
            ("GET", "/pprof/{name}"),
        ],
    },
    LeftOut {
        why: "carries the content of files, the size of a terminal or a name: no options to compare",
        routes: &[
            ("HEAD", "/containers/{name}/archive"),
            ("GET", "/containers/{name}/archive"),
            ("PUT", "/containers/{name}/archive"),
            ("POST", "/containers/{name}/copy"),
            ("GET", "/containers/{name}/changes"),
            ("GET", "/containers/{name}/export"),
            ("POST", "/containers/{name}/resize"),
            ("POST", "/exec/{name}/resize"),
            ("GET", "/exec/{id}/json"),
            ("GET", "/images/get"),
            ("GET", "/images/{name}/get"),
            ("POST", "/images/load"),
            ("GET", "/images/{name}/history"),
            // from 24.0 on it looks the image up with a function of `images`
            ("POST", "/images/{name}/tag"),
        ],
    },
    LeftOut {
        why: "a build or a checkpoint: what its options mean, BuildKit and containerd decide",
        routes: &[
            ("POST", "/build"),
            ("POST", "/build/cancel"),
            ("POST", "/commit"),
            ("POST", "/grpc"),
            ("POST", "/session"),
            ("GET", "/containers/{name}/checkpoints"),
            ("POST", "/containers/{name}/checkpoints"),
            ("DELETE", "/containers/{name}/checkpoints/{checkpoint}"),
        ],
    },
    LeftOut {
        why: "answered by a registry",
        routes: &[
            ("GET", "/distribution/{name}/json"),
            ("GET", "/images/search"),
        ],
    },
    LeftOut {
        why: "plugins: no profile asks about them",
        routes: &[
            ("GET", "/plugins"),
            ("POST", "/plugins/create"),
            ("GET", "/plugins/privileges"),
            ("POST", "/plugins/pull"),
            ("DELETE", "/plugins/{name}"),
            ("POST", "/plugins/{name}/disable"),
            ("POST", "/plugins/{name}/enable"),
            ("GET", "/plugins/{name}/json"),
            ("POST", "/plugins/{name}/push"),
            ("POST", "/plugins/{name}/set"),
            ("POST", "/plugins/{name}/upgrade"),
        ],
    },
    LeftOut {
        why: "swarm: its managers decide, and no profile asks about them",
        routes: &[
            ("GET", "/swarm"),
            ("POST", "/swarm/init"),
            ("POST", "/swarm/join"),
            ("POST", "/swarm/leave"),
            ("POST", "/swarm/unlock"),
            ("GET", "/swarm/unlockkey"),
            ("POST", "/swarm/update"),
            ("GET", "/nodes"),
            ("GET", "/nodes/{id}"),
            ("DELETE", "/nodes/{id}"),
            ("POST", "/nodes/{id}/update"),
            ("GET", "/services"),
            ("GET", "/services/{id}"),
            ("POST", "/services/create"),
            ("DELETE", "/services/{id}"),
            ("POST", "/services/{id}/update"),
            ("GET", "/services/{id}/logs"),
            ("GET", "/tasks"),
            ("GET", "/tasks/{id}"),
            ("GET", "/tasks/{id}/logs"),
            ("GET", "/secrets"),
            ("GET", "/secrets/{id}"),
            ("POST", "/secrets/create"),
            ("DELETE", "/secrets/{id}"),
            ("POST", "/secrets/{id}/update"),
            ("GET", "/configs"),
            ("GET", "/configs/{id}"),
            ("POST", "/configs/create"),
            ("DELETE", "/configs/{id}"),
            ("POST", "/configs/{id}/update"),
            ("PUT", "/volumes/{name}"),
        ],
    },
];
