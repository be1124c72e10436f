//! Declarations are written once: these macros make the items of them and, for the tests of header.rs, tables of what
//! was declared.

/// Groups of constants, each of the type that the C enumeration has here. For the tests: [(name, number)].
macro_rules! constants {
    ($($type:ident { $($name:ident = $number:literal,)* })*) => {
        $($(pub const $name: $type = $number;)*)*
        #[cfg(test)]
        pub(crate) const CONSTANTS: &[(&str, u64)] = &[$($((stringify!($name), $name as u64),)*)*];
    };
}

/// Structs as C lays them out, whose default is zeros. For the tests: what rustc made of each.
macro_rules! structs {
    ($($(#[$about:meta])* pub struct $name:ident { $($(#[$of_field:meta])* pub $field:ident: $type:ty,)* })*) => {
        $(
            $(#[$about])*
            #[repr(C)]
            #[derive(Clone, Copy, Debug)]
            pub struct $name {
                $($(#[$of_field])* pub $field: $type,)*
            }
            impl Default for $name {
                fn default() -> Self {
                    // SAFETY: numbers, pointers and an Option of a function, for all of which zeros are a value.
                    unsafe { std::mem::zeroed() }
                }
            }
        )*
        #[cfg(test)]
        pub(crate) fn layouts() -> Vec<crate::header::Struct> {
            use std::mem::{align_of, size_of};
            vec![$({
                let at = $name::default();
                let start = std::ptr::addr_of!(at) as usize;
                crate::header::Struct {
                    name: stringify!($name),
                    size: size_of::<$name>(),
                    align: align_of::<$name>(),
                    fields: vec![$(crate::header::Field {
                        name: stringify!($field).trim_start_matches("r#"),
                        kind: stringify!($type),
                        offset: std::ptr::addr_of!(at.$field) as usize - start,
                        size: size_of::<$type>(),
                    },)*],
                }
            },)*]
        }
    };
}

/// Functions of the library. For the tests: [(name, types of the arguments, type of the result)].
macro_rules! functions {
    ($($(#[$about:meta])* pub fn $name:ident($($argument:ident: $type:ty),*) -> $result:ty;)*) => {
        extern "C" {
            $($(#[$about])* pub fn $name($($argument: $type),*) -> $result;)*
        }
        #[cfg(test)]
        pub(crate) const FUNCTIONS: &[(&str, &[&str], &str)] =
            &[$((stringify!($name), &[$(stringify!($type)),*], stringify!($result)),)*];
    };
}

/// The functions that the header has inline: NAME(args) is NAME_sized(args, the size of *args).
macro_rules! sized {
    ($($name:ident, $sized:ident, $args:ident;)*) => {$(
        /// # Safety
        /// Every pointer of `args` is null or as vloss.h says, and nothing else uses the outputs meanwhile.
        #[inline]
        pub unsafe fn $name(args: *const $args) -> vloss_status {
            $sized(args, std::mem::size_of::<$args>())
        }
    )*};
}
