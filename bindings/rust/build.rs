//! Says where libvloss is. VLOSS_LIB_DIR names its folder, of a build of vloss or anywhere; without it pkg-config knows
//! of an installed one. VLOSS_STATIC=1 links the static library of that, and what it needs.

use std::{env, process::Command};

fn main() {
    for variable in ["VLOSS_LIB_DIR", "VLOSS_STATIC", "PKG_CONFIG", "PKG_CONFIG_PATH"] {
        println!("cargo:rerun-if-env-changed={variable}");
    }
    if let Ok(folder) = env::var("VLOSS_LIB_DIR") {
        println!("cargo:rustc-link-search=native={folder}");
        println!("cargo:rustc-link-lib=dylib=vloss");
        return;
    }

    let linked_in = env::var("VLOSS_STATIC").map_or(false, |value| value != "0");
    let program = env::var("PKG_CONFIG").unwrap_or_else(|_| "pkg-config".into());
    let arguments: &[&str] = if linked_in { &["--libs", "--static", "vloss"] } else { &["--libs", "vloss"] };
    let found = match Command::new(&program).args(arguments).output() {
        Ok(output) if output.status.success() => String::from_utf8(output.stdout).expect("names in UTF-8"),
        Ok(output) => panic!(
            "{program} finds no vloss; install it, or set VLOSS_LIB_DIR: {}",
            String::from_utf8_lossy(&output.stderr)
        ),
        Err(error) => panic!("{program}: {error}; install it, or set VLOSS_LIB_DIR"),
    };
    for word in found.split_whitespace() {
        if let Some(folder) = word.strip_prefix("-L") {
            println!("cargo:rustc-link-search=native={folder}");
        } else if let Some(library) = word.strip_prefix("-l") {
            let kind = if linked_in && library == "vloss" { "static=" } else { "" };
            println!("cargo:rustc-link-lib={kind}{library}");
        }
    }
}
