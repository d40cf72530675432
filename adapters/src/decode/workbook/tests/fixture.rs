//! Workbooks of XLSX made by hand, so that each of their parts can be wrong; the files of real writers lie in `fixtures`.

use std::fmt::Write as _;

use flate2::Crc;
use flate2::read::DeflateEncoder;

/// A zip archive under construction.
#[derive(Default)]
pub(super) struct Zip {
    parts: Vec<ZipPart>,
}

pub(super) struct ZipPart {
    pub(super) name: String,
    pub(super) content: Vec<u8>,
    /// What the directory states instead of the true size.
    pub(super) stated: Option<u32>,
    pub(super) flags: u16,
    pub(super) method: u16,
}

impl Zip {
    pub(super) fn with(mut self, name: &str, content: impl AsRef<[u8]>) -> Self {
        self.parts.push(ZipPart {
            name: name.to_owned(),
            content: content.as_ref().to_vec(),
            stated: None,
            flags: 0,
            method: 8,
        });
        self
    }

    /// Changes the part added last.
    pub(super) fn but(mut self, change: impl FnOnce(&mut ZipPart)) -> Self {
        if let Some(part) = self.parts.last_mut() {
            change(part);
        }
        self
    }

    pub(super) fn without(mut self, name: &str) -> Self {
        self.parts.retain(|part| part.name != name);
        self
    }

    pub(super) fn build(&self) -> Vec<u8> {
        let (mut out, mut directory) = (Vec::new(), Vec::new());
        for part in &self.parts {
            let mut packed = Vec::new();
            let best = flate2::Compression::best();
            std::io::copy(&mut DeflateEncoder::new(part.content.as_slice(), best), &mut packed).unwrap();
            if part.method != 8 {
                packed.clone_from(&part.content);
            }
            let mut crc = Crc::new();
            crc.update(&part.content);
            let size = part.stated.unwrap_or(u32::try_from(part.content.len()).unwrap());
            let mut head = Vec::new();
            head.extend(20_u16.to_le_bytes());
            head.extend(part.flags.to_le_bytes());
            head.extend(part.method.to_le_bytes());
            head.extend([0; 4]);
            head.extend(crc.sum().to_le_bytes());
            head.extend(u32::try_from(packed.len()).unwrap().to_le_bytes());
            head.extend(size.to_le_bytes());
            head.extend(u16::try_from(part.name.len()).unwrap().to_le_bytes());
            head.extend([0; 2]);
            directory.extend(b"PK\x01\x02\x14\x00");
            directory.extend(&head);
            directory.extend([0; 10]);
            directory.extend(u32::try_from(out.len()).unwrap().to_le_bytes());
            directory.extend(part.name.as_bytes());
            out.extend(b"PK\x03\x04");
            out.extend(&head);
            out.extend(part.name.as_bytes());
            out.extend(packed);
        }
        let count = u16::try_from(self.parts.len()).unwrap().to_le_bytes();
        let start = u32::try_from(out.len()).unwrap().to_le_bytes();
        let length = u32::try_from(directory.len()).unwrap().to_le_bytes();
        out.extend(directory);
        out.extend(b"PK\x05\x06\x00\x00\x00\x00");
        out.extend([count, count].concat());
        out.extend([length, start].concat());
        out.extend([0; 2]);
        out
    }
}

/// What a workbook of the tests consists of.
#[derive(Clone, Default)]
pub(super) struct Made {
    /// Name, state, rows, and what follows them.
    pub(super) sheets: Vec<(&'static str, &'static str, String, String)>,
    pub(super) strings: Vec<String>,
    pub(super) is_1904: bool,
    /// Further relationships of the workbook.
    pub(super) relations: String,
}

/// Styles 0 to 4 of every workbook here: a number, a day, a month, six digits, a moment.
const STYLES: &str = r#"<styleSheet><numFmts count="2"><numFmt numFmtId="164" formatCode="yyyy&quot;年&quot;m&quot;月&quot;"/>
<numFmt numFmtId="165" formatCode="000000"/></numFmts><cellStyleXfs><xf numFmtId="9"/></cellStyleXfs><cellXfs count="5"><xf numFmtId="0"/>
<xf numFmtId="14"/><xf numFmtId="164"/><xf numFmtId="165"/><xf numFmtId="22"/></cellXfs></styleSheet>"#;

impl Made {
    /// One visible sheet of these rows.
    pub(super) fn of(rows: &[String]) -> Self {
        Self::default().sheet("Sheet1", rows)
    }

    pub(super) fn sheet(self, name: &'static str, rows: &[String]) -> Self {
        self.sheet_with(name, "visible", rows, "")
    }

    pub(super) fn sheet_with(mut self, name: &'static str, state: &'static str, rows: &[String], tail: &str) -> Self {
        self.sheets.push((name, state, rows.concat(), tail.to_owned()));
        self
    }

    pub(super) fn zip(&self) -> Zip {
        let office = "http://schemas.openxmlformats.org/officeDocument/2006/relationships";
        let (mut sheets, mut relations) = (String::new(), self.relations.clone());
        for (at, (name, state, ..)) in self.sheets.iter().enumerate() {
            write!(
                sheets,
                r#"<sheet name="{name}" sheetId="{at}" state="{state}" r:id="rId{at}"/>"#
            )
            .unwrap();
            write!(
                relations,
                r#"<Relationship Id="rId{at}" Type="{office}/worksheet" Target="worksheets/sheet{at}.xml"/>"#
            )
            .unwrap();
        }
        for (kind, target) in [("styles", "styles.xml"), ("sharedStrings", "/xl/sharedStrings.xml")] {
            write!(
                relations,
                r#"<Relationship Id="{kind}" Type="{office}/{kind}" Target="{target}"/>"#
            )
            .unwrap();
        }
        let strings: Vec<String> = self.strings.iter().map(|text| format!("<si>{text}</si>")).collect();
        let strings = strings.concat();
        let calendar = if self.is_1904 {
            r#"<workbookPr date1904="1"/>"#
        } else {
            ""
        };
        let zip = Zip::default()
            .with("[Content_Types].xml", "<Types/>")
            .with(
                "_rels/.rels",
                format!(r#"<Relationships><Relationship Id="a" Type="{office}/officeDocument" Target="xl/workbook.xml"/></Relationships>"#),
            )
            .with("xl/workbook.xml", format!("<workbook>{calendar}<sheets>{sheets}</sheets></workbook>"))
            .with("xl/_rels/workbook.xml.rels", format!("<Relationships>{relations}</Relationships>"))
            .with("xl/styles.xml", STYLES)
            .with("xl/sharedStrings.xml", format!("<sst>{strings}</sst>"));
        self.sheets
            .iter()
            .enumerate()
            .fold(zip, |zip, (at, (_, _, rows, tail))| {
                let content =
                    format!("<?xml version=\"1.0\"?>\n<worksheet><sheetData>{rows}</sheetData>{tail}</worksheet>");
                zip.with(&format!("xl/worksheets/sheet{at}.xml"), content)
            })
    }

    pub(super) fn build(&self) -> Vec<u8> {
        self.zip().build()
    }
}

/// A row of texts from column A on; an empty one is no cell.
pub(super) fn texts(line: u32, texts: &[&str]) -> String {
    let cells = (b'A'..).zip(texts).filter(|(_, text)| !text.is_empty());
    let cells: Vec<String> = cells.map(|(column, text)| text_cell(column, line, text)).collect();
    row(line, &cells)
}

pub(super) fn row(line: u32, cells: &[String]) -> String {
    format!(r#"<row r="{line}">{}</row>"#, cells.concat())
}

pub(super) fn text_cell(column: u8, line: u32, text: &str) -> String {
    let column = char::from(column);
    format!(r#"<c r="{column}{line}" t="inlineStr"><is><t>{text}</t></is></c>"#)
}

pub(super) fn number_cell(column: u8, line: u32, number: &str, style: u8) -> String {
    let column = char::from(column);
    format!(r#"<c r="{column}{line}" s="{style}"><v>{number}</v></c>"#)
}

/// A cell of any other kind: its attributes and what is in it.
pub(super) fn cell(column: u8, line: u32, attributes: &str, content: &str) -> String {
    let column = char::from(column);
    format!(r#"<c r="{column}{line}" {attributes}>{content}</c>"#)
}
