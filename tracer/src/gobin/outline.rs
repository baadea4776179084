//! What an ELF file says about itself before any table of Go's is believed: for people, also about
//! files that cannot be read further.

use object::LittleEndian as LE;
use object::elf::{self, FileHeader64};
use object::read::elf::{FileHeader, SectionHeader};

use super::buildinfo::{self, BuildInfo};
use super::elf::Elf;

/// Names and values, in the order to be shown.
pub type Facts = Vec<(String, String)>;

/// Facts about a file of which nothing else can be read; none if it is no ELF file of a supported
/// kind.
#[must_use]
pub fn outline(data: &[u8]) -> Facts {
    let Ok(elf) = Elf::parse(data) else {
        return Facts::new();
    };
    let info = buildinfo::find(&elf);
    let go = match &info {
        Some(info) => info.version.clone(),
        // any program may hold such a text: this one is not known to be Go's
        None => match buildinfo::find_build_version(&elf) {
            Some(text) => format!(
                "unknown: no build info; a text in its data reads {}",
                text.text
            ),
            None => "unknown: neither build info nor runtime.buildVersion".to_owned(),
        },
    };
    facts(data, &elf, go, info.as_ref())
}

/// Facts about a Go binary that was read as one of that release.
pub fn of_file(data: &[u8], elf: &Elf<'_>, go: &str, info: Option<&BuildInfo>) -> Facts {
    let go = match info {
        Some(_) => go.to_owned(),
        None => format!("{go} (by runtime.buildVersion; build info is missing)"),
    };
    facts(data, elf, go, info)
}

fn facts(data: &[u8], elf: &Elf<'_>, go: String, info: Option<&BuildInfo>) -> Facts {
    let mut facts = Facts::new();
    let mut say = |name: &str, value: String| facts.push((name.to_owned(), value));
    say("architecture", format!("{:?}", elf.arch).to_lowercase());
    say("go", go);
    let ids = [&elf.build_id, &elf.go_build_id];
    let id = ids.into_iter().flatten().next();
    say("build id", id.cloned().unwrap_or_else(|| "none".into()));
    say(
        "position independent",
        if elf.pie { "yes" } else { "no" }.into(),
    );
    say(
        "linked",
        match &elf.interpreter {
            Some(loader) => format!("dynamically, loader {loader}"),
            None => "statically".to_owned(),
        },
    );
    say("sections", sections(data));
    say("relocations", relocations(elf));
    let Some(info) = info else {
        return facts;
    };
    if let Some(path) = &info.path {
        say("package", path.clone());
    }
    if let Some((module, version)) = &info.main_module {
        say("module", format!("{module} {version}"));
    }
    if !info.deps.is_empty() {
        say("dependencies", format!("{} modules", info.deps.len()));
    }
    for (key, value) in &info.settings {
        say(&format!("build {key}"), value.clone());
    }
    facts
}

/// Section headers, and whether the symbol table was stripped.
fn sections(data: &[u8]) -> String {
    let missing = || "section headers are missing".to_owned();
    let Ok(header) = FileHeader64::<LE>::parse(data) else {
        return missing();
    };
    let sections = match header.section_headers(LE, data) {
        Ok([]) | Err(_) => return missing(),
        Ok(sections) => sections,
    };
    let symbols = sections.iter().find(|s| s.sh_type(LE) == elf::SHT_SYMTAB);
    match symbols {
        Some(table) => format!("{}, {} symbols", sections.len(), table.sh_size(LE) / 24),
        None => format!("{}, stripped of symbols", sections.len()),
    }
}

/// Number of relocations, by table.
fn relocations(elf: &Elf<'_>) -> String {
    let tables = elf.relocations();
    match (tables.rela_count(), tables.relr_count()) {
        (0, 0) => "none".to_owned(),
        (rela, 0) => format!("{rela} (RELA)"),
        (rela, relr) => format!("{} ({rela} RELA, {relr} RELR)", rela + relr),
    }
}
