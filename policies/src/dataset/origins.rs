//! Which record types feed the fields of a dataset (design 10.9), in order of precedence.

type Origins = &'static [(&'static str, &'static str)];

const RESIDENT: &str = "public-security/resident";
const FLOATING: &str = "public-security/floating-resident";
const BIRTH: &str = "public-security/birth";
const DEATHS: Origins = &[
    ("public-security/death", "citizen_id"),
    ("health/death-certificate", "citizen_id"),
    ("civil-affairs/cremation", "citizen_id"),
];

pub(super) fn population(field: &str) -> Origins {
    match field {
        // Whoever is in the dataset has the row's subject, its source and its time.
        "citizen_id" | "source" | "updated_at" => &[
            (RESIDENT, "citizen_id"),
            (FLOATING, "citizen_id"),
            (BIRTH, "citizen_id"),
        ],
        "name" => &[(RESIDENT, "name"), (FLOATING, "name"), (BIRTH, "name")],
        "former_name" => &[(RESIDENT, "former_name")],
        "sex" => &[(RESIDENT, "sex"), (FLOATING, "sex"), (BIRTH, "sex")],
        "ethnicity" => &[(RESIDENT, "ethnicity"), (FLOATING, "ethnicity"), (BIRTH, "ethnicity")],
        "birth_date" => &[
            (RESIDENT, "birth_date"),
            (FLOATING, "birth_date"),
            (BIRTH, "birth_date"),
        ],
        "hukou_region" => &[(RESIDENT, "hukou_region"), (FLOATING, "hukou_region")],
        "town_code" => &[(RESIDENT, "town_code"), (FLOATING, "town_code")],
        "village_code" => &[(RESIDENT, "village_code"), (FLOATING, "village_code")],
        "hukou_address" => &[(RESIDENT, "hukou_address"), (FLOATING, "hukou_address")],
        "residence_region" => &[(FLOATING, "residence_region")],
        "person_status" => &[(RESIDENT, "person_status")],
        "death_date" => &[
            ("public-security/death", "death_date"),
            ("health/death-certificate", "death_date"),
            ("civil-affairs/cremation", "death_date"),
        ],
        "death_certainty" => DEATHS,
        _ => &[],
    }
}

const ESTABLISHMENT: &str = "commerce/establishment";
const CANCELLATION: &str = "commerce/cancellation";
const CHANGE: &str = "commerce/change";
const SOCIAL: &str = "civil-affairs/social-organisation";
const TAX: &str = "tax/registration";

pub(super) fn enterprises(field: &str) -> Origins {
    match field {
        "uscc" | "source" | "updated_at" => &[
            (ESTABLISHMENT, "uscc"),
            (CANCELLATION, "uscc"),
            (SOCIAL, "uscc"),
            (TAX, "uscc"),
            (CHANGE, "uscc"),
        ],
        // Numbers of one unit are put together from every source, and read out of the credit code.
        "org_code" => &[
            (ESTABLISHMENT, "org_code"),
            (ESTABLISHMENT, "uscc"),
            (TAX, "org_code"),
            (TAX, "uscc"),
        ],
        "reg_no" => &[(ESTABLISHMENT, "reg_no"), (CANCELLATION, "reg_no"), (CHANGE, "reg_no")],
        "taxpayer_id" => &[(TAX, "taxpayer_id"), (ESTABLISHMENT, "uscc")],
        "name" => &[
            (ESTABLISHMENT, "ent_name"),
            (SOCIAL, "ent_name"),
            (CANCELLATION, "ent_name"),
            (TAX, "taxpayer_name"),
            (TAX, "ent_name"),
        ],
        "unit_kind" => &[(ESTABLISHMENT, "ent_type"), (SOCIAL, "ent_type"), (TAX, "reg_type")],
        "legal_rep_name" => &[
            (ESTABLISHMENT, "legal_rep_name"),
            (SOCIAL, "legal_rep_name"),
            (TAX, "legal_rep_name"),
        ],
        "established_on" => &[
            (ESTABLISHMENT, "established_on"),
            (SOCIAL, "established_on"),
            (TAX, "opened_on"),
            (TAX, "registered_on"),
        ],
        "reg_status" => &[(ESTABLISHMENT, "reg_status"), (SOCIAL, "reg_status")],
        "taxpayer_status" => &[(TAX, "taxpayer_status")],
        // Without a named division, digits 3 to 8 of the credit code.
        "region" => &[
            (ESTABLISHMENT, "region"),
            (SOCIAL, "region"),
            (TAX, "reg_region"),
            (TAX, "op_region"),
            (ESTABLISHMENT, "uscc"),
            (CANCELLATION, "uscc"),
            (SOCIAL, "uscc"),
            (TAX, "uscc"),
            (CHANGE, "uscc"),
        ],
        "address" => &[
            (ESTABLISHMENT, "domicile"),
            (ESTABLISHMENT, "premises"),
            (SOCIAL, "domicile"),
            (TAX, "reg_address"),
            (TAX, "op_address"),
        ],
        // Of a person who trades under a resident id.
        "trader_id" => &[(TAX, "taxpayer_id")],
        "trader_name" => &[(TAX, "taxpayer_name"), (TAX, "ent_name")],
        "trader_address" => &[(TAX, "reg_address"), (TAX, "op_address")],
        "industry_code" => &[(ESTABLISHMENT, "industry_code"), (TAX, "industry_code")],
        "closed_on" => &[(CANCELLATION, "cancel_date"), (CANCELLATION, "revoke_date")],
        _ => &[],
    }
}
