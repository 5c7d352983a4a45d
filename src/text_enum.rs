//! Enums of which each value has one text: in JSON, metrics, file names, tables and logs.

/// Declares such an enum. The text of a value stands beside it and nowhere else; `as_str`, `Display` and serde use it.
///
/// A text that no value has cannot be read back, unless a value stands for all of them: `unknown => Other`. An older
/// version reads reports of a newer one so.
macro_rules! text_enum {
    (
        $(#[$meta:meta])*
        pub enum $name:ident { $($(#[$of_value:meta])* $value:ident = $text:literal,)+ }
        $(unknown => $unknown:ident)?
    ) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name { $($(#[$of_value])* $value,)+ }

        impl $name {
            /// All values, in the order of their declaration.
            pub const ALL: &'static [Self] = &[$(Self::$value),+];

            /// Its text.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$value => $text,)+ }
            }

            /// The value that has this text.
            #[must_use]
            pub fn from_text(text: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|value| value.as_str() == text)
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <String as serde::Deserialize>::deserialize(deserializer)?;
                let value = Self::from_text(&text)$(.or(Some(Self::$unknown)))?;
                value.ok_or_else(|| {
                    serde::de::Error::custom(format_args!("{text:?} is not a {}", stringify!($name)))
                })
            }
        }
    };
}

pub(crate) use text_enum;

#[cfg(test)]
mod tests {
    #![expect(unreachable_pub, reason = "the macro declares public enums")]

    text_enum! {
        /// Signals of a crossing.
        pub enum Signal {
            /// Stop.
            Red = "red",
            /// Go.
            DarkGreen = "dark-green",
        }
    }

    text_enum! {
        /// The same, for a reader of newer files.
        pub enum Tolerant {
            /// Stop.
            Red = "red",
            /// A colour of a newer version.
            Other = "other",
        }
        unknown => Other
    }

    #[test]
    fn text_enum_has_one_text_in_display_and_json() {
        for signal in Signal::ALL {
            assert_eq!(serde_json::to_string(signal).expect("JSON"), format!("\"{signal}\""));
            assert_eq!(Signal::from_text(signal.as_str()), Some(*signal));
        }
        assert_eq!(format!("{:11}|", Signal::DarkGreen), "dark-green |");
    }

    #[test]
    fn text_enum_refuses_an_unknown_text_unless_a_value_stands_for_it() {
        assert_eq!(serde_json::from_str::<Signal>("\"dark-green\"").ok(), Some(Signal::DarkGreen));
        let error = serde_json::from_str::<Signal>("\"blue\"").expect_err("unknown").to_string();
        assert!(error.starts_with("\"blue\" is not a Signal"), "{error}");
        assert_eq!(serde_json::from_str::<Tolerant>("\"blue\"").ok(), Some(Tolerant::Other));
        assert!(serde_json::from_str::<Tolerant>("7").is_err());
    }
}
