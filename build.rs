//! Compresses what `static/` holds, once, so that the server never compresses an asset while it answers; and what else of
//! `data/` is built in and rarely wanted.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
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
    spare_each_start();
    let out = env::var_os("OUT_DIR").map(PathBuf::from).ok_or_else(|| io::Error::other("OUT_DIR is not set"))?;
    let assets = out.join("assets");
    // A file that is gone from `static/` must not live on in the binary.
    if assets.exists() {
        fs::remove_dir_all(&assets)?;
    }
    pack_folder(Path::new("static"), &assets)?;
    for name in ["licences.txt", "most-used-passwords.txt"] {
        let from = Path::new("data").join(name);
        println!("cargo::rerun-if-changed={}", from.display());
        fs::write(out.join(format!("{name}.gz")), gzip(&fs::read(&from)?)?)?;
    }
    Ok(())
}

/// Where a program is built for the very system that it is built on, and glibc runs it, two things at each start cost more
/// than what most commands do. The unwinder's library is one more to find and map, and looks over the processor, for which
/// a virtual machine asks its host: it is linked in, where the compiler has it so. And the addresses that a
/// position-independent program corrects, 39,000, are listed in 15 KB instead of 940 where glibc reads such lists, which it
/// does from 2.36 on.
fn spare_each_start() {
    let is = |name: &str, value: &str| env::var(name).is_ok_and(|found| found == value);
    let here = matches!((env::var("HOST"), env::var("TARGET")), (Ok(host), Ok(target)) if host == target);
    if !here || !is("CARGO_CFG_TARGET_OS", "linux") || !is("CARGO_CFG_TARGET_ENV", "gnu") {
        return;
    }
    let says = |program: &str, argument: &str| {
        let said = Command::new(program).arg(argument).output().ok().filter(|said| said.status.success())?;
        String::from_utf8(said.stdout).ok().map(|said| said.trim().to_owned())
    };
    // A name without a folder: it has none.
    if says("cc", "-print-file-name=libgcc_eh.a").is_some_and(|path| Path::new(&path).is_absolute()) {
        println!("cargo::rustc-link-lib=static:-bundle=gcc_eh");
    }
    let version = says("getconf", "GNU_LIBC_VERSION");
    let minor =
        version.as_deref().and_then(|said| said.strip_prefix("glibc 2.")?.split('.').next()?.parse::<u32>().ok());
    if minor.is_some_and(|minor| minor >= 36) {
        println!("cargo::rustc-link-arg=-Wl,-z,pack-relative-relocs");
    }
}

/// Packs each file of `from` into `to`, under its name with `.gz` after it.
fn pack_folder(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    let mut entries = fs::read_dir(from)?.collect::<Result<Vec<_>, _>>()?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        if entry.file_type()?.is_dir() {
            pack_folder(&entry.path(), &to.join(entry.file_name()))?;
        } else {
            let mut name = entry.file_name();
            name.push(".gz");
            fs::write(to.join(name), gzip(&fs::read(entry.path())?)?)?;
        }
    }
    Ok(())
}

fn gzip(bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(bytes)?;
    encoder.finish()
}
