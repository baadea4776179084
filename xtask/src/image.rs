//! A container image made from scratch: one layer with one static program, as an archive that
//! `docker load` takes.
//!
//! The same program gives the same archive, byte for byte.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use harness::request;
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::exec::{make_dir, target};
use crate::program::{Profile, build_static};

/// Name of the image.
const TAG: &str = "mobytrace:latest";

/// Builds the image for an architecture; loads it into the daemon that listens on `socket`.
pub fn run(arch: &str, output: Option<&Path>, socket: Option<&Path>) -> Result<()> {
    ensure!(
        ["amd64", "arm64"].contains(&arch),
        "no architecture {arch:?}; there are amd64 and arm64"
    );
    let program = build_static(arch, Profile::Release)?;
    let path = output.map_or_else(
        || target().join(format!("image/mobytrace-{arch}.tar")),
        Path::to_path_buf,
    );
    write(&program, arch, &path)?;
    match socket {
        None => println!("{}: load it with `docker load -i {0}`", path.display()),
        Some(socket) => load(&path, socket)?,
    }
    println!("docker run --rm --privileged --pid=host {TAG} compare");
    Ok(())
}

/// The archive that tests load: the program of other kernels' guests.
pub fn for_tests() -> Result<PathBuf> {
    let path = target().join("image/mobytrace.tar");
    write(&build_static("amd64", Profile::Guest)?, "amd64", &path)?;
    Ok(path)
}

fn write(program: &Path, arch: &str, path: &Path) -> Result<()> {
    let program = std::fs::read(program).with_context(|| program.display().to_string())?;
    if let Some(folder) = path.parent() {
        make_dir(folder)?;
    }
    std::fs::write(path, archive(&program, arch)?).with_context(|| path.display().to_string())
}

fn archive(program: &[u8], arch: &str) -> Result<Vec<u8>> {
    let mut layer = tar::Builder::new(Vec::new());
    add(
        &mut layer,
        "mobytrace",
        tar::EntryType::Regular,
        0o755,
        program,
    )?;
    // where a recording can be written to
    add(&mut layer, "tmp/", tar::EntryType::Directory, 0o1777, &[])?;
    let layer = layer.into_inner()?;
    let layer_id = hex(&layer);
    let config = json!({
        "architecture": arch,
        "os": "linux",
        "config": {"Entrypoint": ["/mobytrace"], "Env": ["PATH=/"], "WorkingDir": "/tmp"},
        "rootfs": {"type": "layers", "diff_ids": [format!("sha256:{layer_id}")]},
    });
    let config = serde_json::to_vec(&config)?;
    let config_name = format!("{}.json", hex(&config));
    let layer_name = format!("{layer_id}/layer.tar");
    let manifest = json!([{"Config": config_name, "RepoTags": [TAG], "Layers": [layer_name]}]);
    let mut image = tar::Builder::new(Vec::new());
    for (name, bytes) in [
        (layer_name.as_str(), layer.as_slice()),
        (&config_name, &config),
        ("manifest.json", &serde_json::to_vec(&manifest)?),
    ] {
        add(&mut image, name, tar::EntryType::Regular, 0o644, bytes)?;
    }
    Ok(image.into_inner()?)
}

fn add(
    archive: &mut tar::Builder<Vec<u8>>,
    name: &str,
    kind: tar::EntryType,
    mode: u32,
    bytes: &[u8],
) -> Result<()> {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_mtime(0);
    header.set_uid(0);
    header.set_gid(0);
    header.set_size(bytes.len() as u64);
    archive.append_data(&mut header, name, bytes)?;
    Ok(())
}

fn hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

fn load(archive: &Path, socket: &Path) -> Result<()> {
    let headers = [("Content-Type", "application/x-tar")];
    let answer = request(
        socket,
        "POST",
        "/images/load",
        &headers,
        &std::fs::read(archive)?,
    )?;
    let said = String::from_utf8_lossy(&answer.body);
    if answer.status != 200 || said.contains("errorDetail") {
        bail!(
            "the daemon on {} answers {}: {said}",
            socket.display(),
            answer.status
        );
    }
    println!("loaded {TAG} into the daemon on {}", socket.display());
    Ok(())
}
