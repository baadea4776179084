//! Kernels and architectures that are tried.

/// One kernel of one architecture.
#[derive(Clone, Copy, Debug)]
pub struct Guest {
    /// Kernel release, as package names have it.
    pub kernel: &'static str,
    pub suite: &'static str,
    pub arch: &'static str,
    /// More kernel parameters.
    pub append: &'static str,
    pub smp: u32,
    /// Programs by which it is tried in every test run.
    pub usually: Programs,
    /// Kernel programs that need a newer kernel.
    pub absent: &'static [&'static str],
}

/// Go programs that are traced in a guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Programs {
    /// None: the kernel programs load.
    None,
    /// One that counts its calls.
    Deep,
    /// That one, and calls that are hard to pair.
    DeepAndStorm,
    /// Those, and prologues that are hard to probe by the oldest and the newest Go.
    Hard,
    /// All of them by every Go.
    EveryGo,
}

impl Guest {
    /// Kernel, architecture and parameters.
    pub fn name(&self) -> String {
        let name = format!("{} {} {}", self.version(), self.arch, self.append);
        name.trim().to_owned()
    }

    /// `6.12`
    pub fn version(&self) -> &'static str {
        self.kernel.trim_end_matches('.')
    }
}

const NEWER_THAN_5_10: &[&str] = &["_loop", "_sleep"];

const fn guest(kernel: &'static str, suite: &'static str, arch: &'static str) -> Guest {
    Guest {
        kernel,
        suite,
        arch,
        append: "",
        smp: 1,
        usually: Programs::None,
        absent: &[],
    }
}

/// All of them; the newest kernel that Debian has is the last one of each architecture.
pub const GUESTS: &[Guest] = &[
    Guest {
        usually: Programs::Deep,
        absent: NEWER_THAN_5_10,
        ..guest("5.10.", "bullseye", "amd64")
    },
    Guest {
        usually: Programs::Deep,
        ..guest("6.1.", "bookworm", "amd64")
    },
    Guest {
        append: "preempt=full",
        smp: 2,
        usually: Programs::DeepAndStorm,
        ..guest("6.12.", "trixie", "amd64")
    },
    Guest {
        usually: Programs::Deep,
        ..guest("6.12.", "trixie", "amd64")
    },
    guest("7.0.", "trixie-backports", "amd64"),
    guest("7.3.", "trixie-backports", "amd64"),
    Guest {
        absent: NEWER_THAN_5_10,
        ..guest("5.10.", "bullseye", "arm64")
    },
    guest("6.1.", "bookworm", "arm64"),
    Guest {
        usually: Programs::Hard,
        ..guest("6.12.", "trixie", "arm64")
    },
    guest("7.0.", "trixie-backports", "arm64"),
    guest("7.3.", "trixie-backports", "arm64"),
];

/// Kernels that are not tried in every test run: programs load slowly there under emulation.
pub const SELDOM: &[&str] = &["7.0", "7.3"];
