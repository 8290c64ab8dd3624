//! How urgent a record is, whatever its program calls it.

use std::fmt;

/// Levels from least to most urgent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Also `trc`, `verbose`, `finest`, `finer`, `silly`, `T`, `V`.
    Trace,
    /// Also `dbg`, `dbug`, `fine`, `D`, and MongoDB's `D1` to `D5`.
    Debug,
    /// Also `information`, `informational`, `inf`, `I`.
    Info,
    /// Also `N`.
    Notice,
    /// Also `warning`, `wrn`, `W`.
    Warn,
    /// Also `err`, `severe`, `E`.
    Error,
    /// Also `critical`, `crit`, `alert`, `emergency`, `emerg`, `panic`, `dpanic`, `ftl`, `C`, `F`.
    Fatal,
}

/// The longest name any level goes by.
const LONGEST: usize = "informational".len();

// === impl Level ===

impl Level {
    /// The usual name.
    pub fn name(self) -> &'static str {
        match self {
            Level::Trace => "trace",
            Level::Debug => "debug",
            Level::Info => "info",
            Level::Notice => "notice",
            Level::Warn => "warn",
            Level::Error => "error",
            Level::Fatal => "fatal",
        }
    }

    /// Reads a whole word as a level, in upper or lower case. Single letters are not words.
    pub fn from_word(word: &str) -> Option<Level> {
        // Log lines are tested for a level word by word, so the lower case is made on the stack.
        let mut lower = [0; LONGEST];
        let lower = lower.get_mut(..word.len())?;
        lower.copy_from_slice(word.as_bytes());
        lower.make_ascii_lowercase();
        Some(match &*lower {
            b"trace" | b"trc" | b"verbose" | b"finest" | b"finer" | b"silly" => Level::Trace,
            b"debug" | b"dbg" | b"dbug" | b"fine" => Level::Debug,
            b"info" | b"inf" | b"information" | b"informational" => Level::Info,
            b"notice" => Level::Notice,
            b"warn" | b"warning" | b"wrn" => Level::Warn,
            b"error" | b"err" | b"severe" => Level::Error,
            b"fatal" | b"ftl" | b"crit" | b"critical" | b"alert" | b"emerg" | b"emergency" | b"panic"
            | b"dpanic" => Level::Fatal,
            _ => return None,
        })
    }

    /// Reads the value of a field that is known to hold a level: a word, a letter or a number.
    pub fn from_value(text: &str) -> Option<Level> {
        match text.as_bytes() {
            [b'0'..=b'9', ..] => text.parse().ok().and_then(Level::from_number),
            [letter] => Level::from_letter(*letter),
            [b'D', b'1'..=b'5'] => Some(Level::Debug),
            _ => Level::from_word(text),
        }
    }

    /// Reads a number: 0 to 7 are syslog severities (journald, GELF), from 10 on they are bunyan's and
    /// pino's levels, where custom ones between the tens belong to the ten below.
    pub fn from_number(number: u32) -> Option<Level> {
        Some(match number {
            0..=2 => Level::Fatal,
            3 => Level::Error,
            4 => Level::Warn,
            5 => Level::Notice,
            6 => Level::Info,
            7 => Level::Debug,
            8..=9 => return None,
            10..=19 => Level::Trace,
            20..=29 => Level::Debug,
            30..=39 => Level::Info,
            40..=49 => Level::Warn,
            50..=59 => Level::Error,
            60.. => Level::Fatal,
        })
    }

    fn from_letter(letter: u8) -> Option<Level> {
        Some(match letter {
            b'T' | b'V' => Level::Trace,
            b'D' => Level::Debug,
            b'I' => Level::Info,
            b'N' => Level::Notice,
            b'W' => Level::Warn,
            b'E' => Level::Error,
            b'C' | b'F' => Level::Fatal,
            _ => return None,
        })
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_ordered_by_urgency() {
        let levels =
            [Level::Trace, Level::Debug, Level::Info, Level::Notice, Level::Warn, Level::Error, Level::Fatal];
        assert!(levels.is_sorted());
        assert!(levels.iter().all(|&level| Level::from_word(level.name()) == Some(level)));
    }

    #[test]
    fn words_letters_and_numbers_are_read() {
        assert_eq!(Level::from_value("WARNING"), Some(Level::Warn));
        assert_eq!(Level::from_value("Informational"), Some(Level::Info));
        assert_eq!(Level::from_value("E"), Some(Level::Error));
        assert_eq!(Level::from_value("D2"), Some(Level::Debug));
        assert_eq!(Level::from_value("3"), Some(Level::Error), "syslog");
        assert_eq!(Level::from_value("35"), Some(Level::Info), "pino");
        assert_eq!(Level::from_value("9"), None);
        assert_eq!(Level::from_value("99999999999"), None);
        assert_eq!(Level::from_value(""), None);
        assert_eq!(Level::from_value("warned"), None);
        assert_eq!(Level::from_word("E"), None);
        assert_eq!(Level::from_word("much longer than any level"), None);
    }
}
