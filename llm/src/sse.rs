//! Server-sent events: the lines of a body as events with a name and data (WHATWG HTML, 9.2.6).

/// Takes bytes in as they come, and gives whole events out.
#[derive(Debug, Default)]
pub(crate) struct Decoder {
    line: Vec<u8>,
    name: String,
    data: String,
}

/// An event.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Event {
    pub(crate) name: String,
    pub(crate) data: String,
}

/// The longest line that is taken in: beyond it somebody is not speaking this protocol.
const LINE: usize = 8 * 1024 * 1024;

impl Decoder {
    /// The events that are complete with these bytes. Nothing when a line is too long.
    pub(crate) fn take_in(&mut self, bytes: &[u8]) -> Option<Vec<Event>> {
        let mut events = Vec::new();
        for &byte in bytes {
            if byte != b'\n' {
                if self.line.len() >= LINE {
                    return None;
                }
                self.line.push(byte);
                continue;
            }
            let line = std::mem::take(&mut self.line);
            let line = String::from_utf8_lossy(&line);
            events.extend(self.line(line.trim_end_matches('\r')));
        }
        Some(events)
    }

    fn line(&mut self, line: &str) -> Option<Event> {
        if line.is_empty() {
            let event = Event {
                name: std::mem::take(&mut self.name),
                data: std::mem::take(&mut self.data),
            };
            return Some(event).filter(|event| !event.data.is_empty());
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => value.clone_into(&mut self.name),
            "data" => {
                if !self.data.is_empty() {
                    self.data.push('\n');
                }
                self.data.push_str(value);
            }
            _ => {}
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_come_whole_wherever_the_bytes_are_cut() {
        let body =
            "event: a\ndata: {\"x\":\ndata: \"ü\"}\n\n: sign of life\n\ndata:b\r\n\r\n".as_bytes();
        for cut in 0..body.len() {
            let mut decoder = Decoder::default();
            let mut events = decoder.take_in(&body[..cut]).unwrap();
            events.extend(decoder.take_in(&body[cut..]).unwrap());
            let seen: Vec<_> = events
                .iter()
                .map(|e| (e.name.as_str(), e.data.as_str()))
                .collect();
            assert_eq!(seen, [("a", "{\"x\":\n\"ü\"}"), ("", "b")], "cut at {cut}");
        }
    }
}
