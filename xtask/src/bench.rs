//! Measurements.

use anyhow::Result;

/// Runs all measurements.
pub fn run() -> Result<()> {
    anyhow::bail!("not built yet")
}
