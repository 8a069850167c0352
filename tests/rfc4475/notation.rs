//! RFC 4475 §2: how messages with long lines, repetitions and octets beyond text are written down.

/// The octets of a message: `<hex>`, `<repeat count=N>` and `<allOneLine>` resolved, every line ended by CRLF.
pub fn octets(text: &str) -> Vec<u8> {
    let mut octets = vec![];
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("<allOneLine>\n") {
        push_lines(before, b"\r\n", &mut octets);
        let (joined, after) = after
            .split_once("</allOneLine>\n")
            .expect("an end of allOneLine");
        push_lines(joined, b"", &mut octets);
        octets.extend_from_slice(b"\r\n");
        rest = after;
    }
    push_lines(rest, b"\r\n", &mut octets);
    octets
}

fn push_lines(text: &str, ending: &[u8], octets: &mut Vec<u8>) {
    for line in text.lines() {
        push_line(line, octets);
        octets.extend_from_slice(ending);
    }
}

fn push_line(line: &str, octets: &mut Vec<u8>) {
    let tag = ["<hex>", "<repeat count="]
        .into_iter()
        .filter_map(|tag| line.find(tag))
        .min();
    let Some(at) = tag else {
        octets.extend_from_slice(line.as_bytes());
        return;
    };
    octets.extend_from_slice(&line.as_bytes()[..at]);
    let rest = match line[at..].strip_prefix("<hex>") {
        Some(tagged) => push_hex(tagged, octets),
        None => push_repeated(&line[at..], octets),
    };
    push_line(rest, octets);
}

fn push_hex<'a>(tagged: &'a str, octets: &mut Vec<u8>) -> &'a str {
    let (digits, rest) = tagged.split_once("</hex>").expect("an end of hex");
    for at in (0..digits.len()).step_by(2) {
        octets.push(u8::from_str_radix(&digits[at..at + 2], 16).expect("hex digits"));
    }
    rest
}

fn push_repeated<'a>(tagged: &'a str, octets: &mut Vec<u8>) -> &'a str {
    let (count, tagged) = tagged["<repeat count=".len()..]
        .split_once('>')
        .expect("a count");
    let (text, rest) = tagged.split_once("</repeat>").expect("an end of repeat");
    octets.extend(text.repeat(count.parse().expect("a number")).bytes());
    rest
}
