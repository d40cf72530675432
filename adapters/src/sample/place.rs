//! Places in the city of Lianyungang: division codes as they are or were in force (GB/T 2260), towns, streets.

use super::random::Random;

/// A county-level division.
#[derive(Debug)]
pub(crate) struct County {
    /// Today's code.
    pub(crate) code: &'static str,
    pub(crate) name: &'static str,
    towns: &'static [&'static str],
}

/// Today's divisions.
static COUNTIES: [County; 6] = [
    County {
        code: "320703",
        name: "连云区",
        towns: &["墟沟街道", "连云街道", "云山街道", "板桥街道", "海州湾街道"],
    },
    County {
        code: "320706",
        name: "海州区",
        towns: &["朐阳街道", "新海街道", "新浦街道", "海州街道", "锦屏镇", "新坝镇", "板浦镇"],
    },
    County {
        code: "320707",
        name: "赣榆区",
        towns: &["青口镇", "柘汪镇", "石桥镇", "金山镇", "黑林镇", "海头镇", "班庄镇"],
    },
    County {
        code: "320722",
        name: "东海县",
        towns: &["牛山街道", "石榴街道", "白塔埠镇", "黄川镇", "石梁河镇", "温泉镇", "桃林镇"],
    },
    County {
        code: "320723",
        name: "灌云县",
        towns: &["侍庄街道", "伊山镇", "杨集镇", "燕尾港镇", "同兴镇", "四队镇"],
    },
    County {
        code: "320724",
        name: "灌南县",
        towns: &["新安镇", "堆沟港镇", "北陈集镇", "张店镇", "三口镇", "孟兴庄镇"],
    },
];

/// Codes under which resident ids were issued, abolished ones included, each with today's county.
pub(crate) static ISSUED: [(&str, &str); 8] = [
    ("320706", "320706"),
    ("320705", "320706"),
    ("320703", "320703"),
    ("320721", "320707"),
    ("320722", "320722"),
    ("320723", "320723"),
    ("320724", "320724"),
    ("320707", "320707"),
];

static ROADS: [&str; 18] = [
    "海连中路", "海连东路", "解放中路", "通灌北路", "苍梧路", "朝阳东路", "瀛洲路", "郁州路", "科苑路", "花果山大道", "人民路", "建设路",
    "晶都大道", "幸福路", "和平路", "青年路", "振兴路", "文化路",
];

static VILLAGES: [&str; 12] = [
    "王庄", "李圩", "前张", "后张", "小官庄", "大岭", "城南", "河东", "新建", "东风", "红旗", "三里",
];

/// The county of that code of today.
pub(crate) fn county(code: &str) -> &'static County {
    COUNTIES
        .iter()
        .find(|county| county.code == code)
        .unwrap_or(&COUNTIES[0])
}

impl County {
    /// A town: its nine digits and its name.
    pub(crate) fn town(&self, random: &mut Random) -> (String, &'static str) {
        let number = random.below(self.towns.len() as u64);
        let name = usize::try_from(number).ok().and_then(|at| self.towns.get(at));
        // Towns (建制镇) count from 100, streets (街道) from 001.
        let base = if name.is_some_and(|name| name.ends_with('镇')) { 100 } else { 1 };
        (format!("{}{:03}", self.code, base + number), name.copied().unwrap_or_default())
    }
}

/// An address in that town, of a flat in town or a house in a village.
pub(crate) fn address(county: &County, town: &str, random: &mut Random) -> String {
    let head = format!("江苏省连云港市{}{town}", county.name);
    if town.ends_with('镇') && random.chance(6_000) {
        let group = 1 + random.below(12);
        let house = 1 + random.below(200);
        return format!("{head}{}村{group}组{house}号", random.pick(&VILLAGES));
    }
    let road = random.pick(&ROADS);
    let house = 1 + random.below(300);
    let block = 1 + random.below(30);
    let unit = 1 + random.below(4);
    let floor = 1 + random.below(18);
    let door = 1 + random.below(4);
    format!("{head}{road}{house}号{block}幢{unit}单元{floor}{door:02}室")
}
