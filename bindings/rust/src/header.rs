//! Tests that the declarations are those of `vloss.h`. A C compiler is told what rustc made of them (sizes, places,
//! types, numbers) and has to agree; and nothing of the header may be missing.

use crate::{constants::CONSTANTS, structs::layouts, FUNCTIONS};
use std::fmt::Write as _;
use std::{env, fs, path::PathBuf, process::Command};

pub(crate) struct Field {
    pub name: &'static str,
    pub kind: &'static str,
    pub offset: usize,
    pub size: usize,
}
pub(crate) struct Struct {
    pub name: &'static str,
    pub size: usize,
    pub align: usize,
    pub fields: Vec<Field>,
}

/// A file of vloss, whose folder VLOSS_SOURCE names, if that is not where the crate stands in it.
fn of_vloss(file: &str) -> PathBuf {
    let source = env::var("VLOSS_SOURCE").unwrap_or_else(|_| concat!(env!("CARGO_MANIFEST_DIR"), "/../..").into());
    PathBuf::from(source).join(file)
}

fn read(file: &str) -> String {
    let path = of_vloss(file);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The type of C for one of Rust.
fn in_c(rust: &str) -> String {
    let rust: String = rust.split_whitespace().collect();
    if let Some(to) = rust.strip_prefix("*mut") {
        return in_c(to) + " *";
    } else if let Some(to) = rust.strip_prefix("*const") {
        return in_c(to) + " const *";
    }
    match rust.as_str() {
        "usize" => "size_t",
        "i32" => "int32_t",
        "u32" => "uint32_t",
        "i64" => "int64_t",
        "f64" => "double",
        "c_int" => "int",
        "c_char" => "char",
        "c_void" => "void",
        "[u64;16]" => "uint64_t[16]",
        r#"Option<unsafeextern"C"fn(*mutc_void,usize,vloss_task,*mutc_void)>"# => {
            "void (*)(void *, size_t, void (*)(void *, size_t), void *)"
        }
        name if name.starts_with("vloss_") => name,
        other => panic!("no type of C is known for {other}"),
    }
    .into()
}

/// C that compiles, behind the header, if the declarations are right.
fn claims() -> String {
    let mut c = String::from("#include <stddef.h>\n#include <vloss/vloss.h>\n");
    let mut claim = |condition: String, of: &str| writeln!(c, "_Static_assert({condition}, \"{of}\");").unwrap();
    for Struct { name, size, align, fields } in layouts() {
        claim(format!("sizeof(struct {name}) == {size} && _Alignof(struct {name}) == {align}"), name);
        for Field { name: field, kind, offset, .. } in fields {
            let there = format!("__typeof__(((struct {name} *)0)->{field})");
            let same_type = format!("__builtin_types_compatible_p({there}, {})", in_c(kind));
            claim(format!("offsetof(struct {name}, {field}) == {offset} && {same_type}"), &format!("{name}.{field}"));
        }
    }
    for (name, number) in CONSTANTS {
        claim(format!("{name} == {number}"), name);
    }
    // Another declaration of a function than the header's is an error.
    for (name, arguments, result) in FUNCTIONS {
        let arguments: Vec<String> = arguments.iter().map(|rust| in_c(rust)).collect();
        let arguments = if arguments.is_empty() { "void".into() } else { arguments.join(", ") };
        writeln!(c, "{} {name}({arguments});", in_c(result)).unwrap();
    }
    c
}

#[test]
fn c_agrees() {
    let compiler = env::var("CC").unwrap_or_else(|_| "cc".into());
    let file = env::temp_dir().join(format!("vloss-sys-{}.c", std::process::id()));
    fs::write(&file, claims()).unwrap();
    let output = Command::new(&compiler)
        .args(["-std=c11", "-fsyntax-only", "-I"])
        .args([of_vloss("include"), file.clone()])
        .output()
        .unwrap_or_else(|error| panic!("{compiler}: {error}"));
    fs::remove_file(&file).unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// tests/abi/layout.txt has every struct, field and enumerator of the header, with the figures of 64-bit machines.
#[test]
fn nothing_is_missing() {
    let mut all = String::new();
    for Struct { name, size, fields, .. } in layouts() {
        writeln!(all, "struct {name}: {size} bytes").unwrap();
        for Field { name, offset, size, .. } in fields {
            writeln!(all, "  {offset:4} {size} {name}").unwrap();
        }
    }
    for (name, number) in CONSTANTS {
        writeln!(all, "{name} = {number}").unwrap();
    }
    if cfg!(target_pointer_width = "64") {
        let listed = read("tests/abi/layout.txt");
        for (here, there) in all.lines().zip(listed.lines()) {
            assert_eq!(here, there, "declared here, and listed there");
        }
        assert_eq!(all.lines().count(), listed.lines().count());
    }
}

#[test]
fn no_function_is_missing() {
    let header = read("include/vloss/vloss.h");
    let exported = header.lines().filter_map(|line| line.strip_prefix("VLOSS_API "));
    let names = exported.map(|line| line.split('(').next().unwrap().rsplit([' ', '*']).next().unwrap());
    let declared: Vec<&str> = FUNCTIONS.iter().map(|function| function.0).collect();
    assert_eq!(declared, names.collect::<Vec<_>>());
    for inline in header.lines().filter_map(|line| line.strip_prefix("static inline vloss_status ")) {
        let sized = inline.split('(').next().unwrap().to_owned() + "_sized";
        assert!(declared.contains(&sized.as_str()), "{sized}");
    }
}

#[test]
fn versions() {
    // SAFETY: the library's version is a string.
    let library = unsafe { std::ffi::CStr::from_ptr(crate::vloss_version()) };
    assert_eq!(library.to_str().unwrap(), env!("CARGO_PKG_VERSION"));
}
