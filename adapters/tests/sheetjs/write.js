const fs = require("fs"), XLSX = require("xlsx");
const [, , folder] = process.argv;
const lines = fs.readFileSync(folder + "/../libreoffice/table.csv", "utf8").trim().split("\n").map(line => line.trim().split(","));
const day = text => /^(19|20)\d\d-\d\d-\d\d$/.test(text) ? { t: "d", v: new Date(text + "T00:00:00"), z: "yyyy-mm-dd" } : { t: "s", v: text };
const sheet = {};
lines.forEach((row, r) => row.forEach((text, c) => {
  if (text === "") return;
  sheet[XLSX.utils.encode_cell({ r, c })] = r > 0 ? day(text) : { t: "s", v: text };
}));
sheet["!ref"] = XLSX.utils.encode_range({ s: { r: 0, c: 0 }, e: { r: lines.length - 1, c: lines[0].length - 1 } });
const book = XLSX.utils.book_new();
XLSX.utils.book_append_sheet(book, sheet, "名单");
for (const [type, name] of [["xlml", "table.xml.xls"], ["html", "table.html.xls"]])
  fs.writeFileSync(folder + "/" + name, XLSX.write(book, { bookType: type, type: "buffer", cellDates: true }));
