//! The JSON-LD context of Croissant 1.1, in the document so that no reader needs the network.

use serde_json::{Map, Value, json};

/// The names of the standard context, and the prefix of PROV. With a name less, mlcroissant warns.
const TERMS: &[(&str, &str)] = &[
    ("@language", "en"),
    ("@vocab", "https://schema.org/"),
    ("arrayShape", "cr:arrayShape"),
    ("citeAs", "cr:citeAs"),
    ("column", "cr:column"),
    ("conformsTo", "dct:conformsTo"),
    ("containedIn", "cr:containedIn"),
    ("cr", "http://mlcommons.org/croissant/"),
    ("dct", "http://purl.org/dc/terms/"),
    ("equivalentProperty", "cr:equivalentProperty"),
    ("extract", "cr:extract"),
    ("field", "cr:field"),
    ("fileObject", "cr:fileObject"),
    ("fileProperty", "cr:fileProperty"),
    ("fileSet", "cr:fileSet"),
    ("format", "cr:format"),
    ("includes", "cr:includes"),
    ("isArray", "cr:isArray"),
    ("isLiveDataset", "cr:isLiveDataset"),
    ("jsonPath", "cr:jsonPath"),
    ("key", "cr:key"),
    ("md5", "cr:md5"),
    ("parentField", "cr:parentField"),
    ("path", "cr:path"),
    ("prov", "http://www.w3.org/ns/prov#"),
    ("rai", "http://mlcommons.org/croissant/RAI/"),
    ("recordSet", "cr:recordSet"),
    ("references", "cr:references"),
    ("regex", "cr:regex"),
    ("repeated", "cr:repeated"),
    ("replace", "cr:replace"),
    ("samplingRate", "cr:samplingRate"),
    ("sc", "https://schema.org/"),
    ("separator", "cr:separator"),
    ("source", "cr:source"),
    ("subField", "cr:subField"),
    ("transform", "cr:transform"),
];

/// Returns the context.
pub(super) fn standard_context() -> Value {
    let mut context: Map<String, Value> = TERMS.iter().map(|(name, iri)| ((*name).to_owned(), json!(iri))).collect();
    for name in ["name", "description"] {
        context.insert(name.into(), json!({"@container": "@language"}));
    }
    for name in ["data", "examples"] {
        context.insert(name.into(), json!({"@id": format!("cr:{name}"), "@type": "@json"}));
    }
    context.insert("dataType".into(), json!({"@id": "cr:dataType", "@type": "@vocab"}));
    context.sort_keys();
    Value::Object(context)
}
