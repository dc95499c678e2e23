//! Compresses what `static/` holds, once, so that the server never compresses an asset while it answers; and the licences of
//! all that is built in.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

fn main() -> io::Result<()> {
    println!("cargo::rerun-if-changed=static");
    println!("cargo::rerun-if-changed=build.rs");
    // Behind every simulated tool stands the program, which tests start some hundred thousand times. A development binary
    // that is loaded where it was linked spares each start its relocations; what is released stays position-independent.
    let is = |name: &str, value: &str| env::var(name).is_ok_and(|found| found == value);
    if is("PROFILE", "debug") && is("CARGO_CFG_TARGET_OS", "linux") && is("CARGO_CFG_TARGET_ENV", "gnu") {
        println!("cargo::rustc-link-arg=-no-pie");
    }
    let out = env::var_os("OUT_DIR").map(PathBuf::from).ok_or_else(|| io::Error::other("OUT_DIR is not set"))?;
    let assets = out.join("assets");
    // A file that is gone from `static/` must not live on in the binary.
    if assets.exists() {
        fs::remove_dir_all(&assets)?;
    }
    let mut names = Vec::new();
    pack_folder(Path::new("static"), "", &assets, &mut names)?;
    let rows: String = names
        .iter()
        .map(|name| {
            format!("    ({name:?}, include_bytes!(concat!(env!(\"OUT_DIR\"), \"/assets/\", {name:?}, \".gz\"))),\n")
        })
        .collect();
    fs::write(out.join("assets.rs"), format!("&[\n{rows}]\n"))?;
    println!("cargo::rerun-if-changed=data/licences.txt");
    fs::write(out.join("licences.txt.gz"), gzip(&fs::read("data/licences.txt")?)?)
}

/// Packs each file of `from` into `to`, and adds its name in addresses (`vendor/…` for those of a folder) to `names`.
fn pack_folder(from: &Path, prefix: &str, to: &Path, names: &mut Vec<String>) -> io::Result<()> {
    fs::create_dir_all(to)?;
    let mut entries = fs::read_dir(from)?.collect::<Result<Vec<_>, _>>()?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let file = entry.file_name();
        let file = file.to_str().ok_or_else(|| io::Error::other(format!("{}: no UTF-8", entry.path().display())))?;
        let name = format!("{prefix}{file}");
        if entry.file_type()?.is_dir() {
            pack_folder(&entry.path(), &format!("{name}/"), &to.join(file), names)?;
        } else {
            fs::write(to.join(format!("{file}.gz")), gzip(&fs::read(entry.path())?)?)?;
            names.push(name);
        }
    }
    Ok(())
}

fn gzip(bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(bytes)?;
    encoder.finish()
}
