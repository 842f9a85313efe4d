//! Compiles the platform's scripts to QuickJS's bytecode: parsing them would be nine tenths of the time that a process
//! needs to have the platform.
//!
//! The engine is the very `rquickjs-sys` of the crate as long as both ask for the same version; its version is written down,
//! and `src/bytecode.rs` compares. Left out is the source text: functions of the platform then show `[native code]`, as in
//! browsers.
//! File names and line numbers stay, for stack traces.

#![expect(
    unsafe_code,
    reason = "compiling without running is in the engine's C interface alone"
)]

use std::ffi::{CStr, CString};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io, slice};

use rquickjs_sys as qjs;

/// How the file names of our own scripts begin; see `src/script.rs`.
const ORIGIN: &str = "isthmus:";

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo::rerun-if-changed=src");
    // The engine writes numbers as this machine has them, and notes nowhere which way that is.
    let endian = if cfg!(target_endian = "little") {
        "little"
    } else {
        "big"
    };
    if env::var("CARGO_CFG_TARGET_ENDIAN")? != endian {
        return Err("scripts can't be compiled here for a machine of the other byte order".into());
    }
    // SAFETY: the text is a constant of the engine.
    let version = unsafe { CStr::from_ptr(qjs::JS_GetVersion()) }.to_str()?;
    println!("cargo::rustc-env=ISTHMUS_BYTECODE_ENGINE={version}");
    let sources = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?).join("src");
    let out = PathBuf::from(env::var("OUT_DIR")?);
    let mut scripts = Vec::new();
    find(&sources, &mut scripts)?;
    scripts.sort();
    let compiler = Compiler::new();
    let mut table = "&[\n".to_owned();
    for (number, script) in scripts.iter().enumerate() {
        let name = script
            .strip_prefix(&sources)?
            .to_str()
            .ok_or("a script's name is no UTF-8")?;
        let code = compiler.compile(name, &fs::read_to_string(script)?)?;
        let file = out.join(format!("{number}.bytecode"));
        fs::write(&file, code)?;
        writeln!(table, "    (include_str!({script:?}), include_bytes!({file:?})),")?;
    }
    table.push(']');
    fs::write(out.join("scripts.rs"), table)?;
    Ok(())
}

/// All scripts in a folder.
fn find(folder: &Path, found: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            find(&path, found)?;
        } else if path.extension().is_some_and(|extension| extension == "js") {
            found.push(path);
        }
    }
    Ok(())
}

/// An engine that only compiles. It is left to the end of the process.
struct Compiler {
    context: *mut qjs::JSContext,
}

impl Compiler {
    fn new() -> Self {
        // SAFETY: a context of a fresh runtime, both kept for ever. Null (no memory) is refused.
        let context = unsafe { qjs::JS_NewContext(qjs::JS_NewRuntime()) };
        assert!(!context.is_null(), "no memory for the engine");
        Self { context }
    }

    fn compile(&self, name: &str, source: &str) -> Result<Vec<u8>, String> {
        let file = CString::new(format!("{ORIGIN}{name}")).map_err(|error| error.to_string())?;
        let text = CString::new(source).map_err(|error| format!("{name}: {error}"))?;
        let flags = qjs::JS_EVAL_TYPE_GLOBAL | qjs::JS_EVAL_FLAG_STRICT | qjs::JS_EVAL_FLAG_COMPILE_ONLY;
        let stripped = qjs::JS_WRITE_OBJ_BYTECODE | qjs::JS_WRITE_OBJ_STRIP_SOURCE;
        // SAFETY: the context lives, this is its thread, the texts end with NUL and the length is without it. What the
        // engine answers is used while it is owned: the value until it is freed, the bytes until they are.
        unsafe {
            let code = qjs::JS_Eval(
                self.context,
                text.as_ptr(),
                source.len() as _,
                file.as_ptr(),
                flags as _,
            );
            if qjs::JS_IsException(code) {
                return Err(self.thrown(name));
            }
            let mut length = 0;
            let bytes = qjs::JS_WriteObject(self.context, &mut length, code, stripped as _);
            qjs::JS_FreeValue(self.context, code);
            if bytes.is_null() {
                return Err(self.thrown(name));
            }
            let copy = slice::from_raw_parts(bytes, length as usize).to_vec();
            qjs::js_free(self.context, bytes.cast());
            Ok(copy)
        }
    }

    /// The pending exception, with where it is.
    fn thrown(&self, name: &str) -> String {
        // SAFETY: as above; the texts are copied before they are freed.
        unsafe {
            let error = qjs::JS_GetException(self.context);
            let stack = qjs::JS_GetPropertyStr(self.context, error, c"stack".as_ptr());
            let mut text = name.to_owned();
            for value in [error, stack] {
                let part = qjs::JS_ToCString(self.context, value);
                if !part.is_null() {
                    text = format!("{text}: {}", CStr::from_ptr(part).to_string_lossy());
                    qjs::JS_FreeCString(self.context, part);
                }
                qjs::JS_FreeValue(self.context, value);
            }
            text
        }
    }
}
