//! Attributes from Rust values, owned or borrowed.

use std::sync::Arc;

use super::{Attribute, Attributes};

/// A type that has a form as an attribute. `Attribute: From<&T>` follows, so references need no clone by the caller.
///
/// ```
/// use nowfold_schemas::action::{Attribute, ToAttribute};
///
/// enum Level {
///     Junior,
///     Senior,
/// }
///
/// impl ToAttribute for Level {
///     fn to_attribute(&self) -> Attribute {
///         match self {
///             Level::Junior => "junior".to_attribute(),
///             Level::Senior => "senior".to_attribute(),
///         }
///     }
/// }
///
/// assert_eq!(Attribute::from(&Level::Senior), Attribute::from("senior"));
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no form as an attribute",
    note = "attributes are booleans, whole numbers up to i64, f32, f64, text, Vec<f32> (an embedding), lists and options of \
            these; implement `ToAttribute` for a type of your own"
)]
pub trait ToAttribute {
    /// The attribute; text and vectors are copied.
    fn to_attribute(&self) -> Attribute;
}

impl<T: ToAttribute + ?Sized> From<&T> for Attribute {
    fn from(value: &T) -> Self {
        value.to_attribute()
    }
}

impl<T: ToAttribute + ?Sized> ToAttribute for &T {
    fn to_attribute(&self) -> Attribute {
        (**self).to_attribute()
    }
}

impl<T: ToAttribute> ToAttribute for Option<T> {
    fn to_attribute(&self) -> Attribute {
        self.as_ref().map_or(Attribute::Null, T::to_attribute)
    }
}

impl<T: Into<Attribute>> From<Option<T>> for Attribute {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, T::into)
    }
}

impl ToAttribute for Attribute {
    fn to_attribute(&self) -> Attribute {
        self.clone()
    }
}

/// `From<T>` and `ToAttribute` of a type that is cheap to copy.
macro_rules! scalar {
    ($($type:ty => $variant:ident),+) => {$(
        impl From<$type> for Attribute {
            fn from(value: $type) -> Self {
                Self::$variant(value.into())
            }
        }

        impl ToAttribute for $type {
            fn to_attribute(&self) -> Attribute {
                Attribute::$variant((*self).into())
            }
        }
    )+};
}

scalar!(bool => Bool, i8 => Int, i16 => Int, i32 => Int, i64 => Int, u8 => Int, u16 => Int, u32 => Int, f32 => Float, f64 => Float);

/// `From<T>` without a copy where the type allows it, and `ToAttribute` with one.
macro_rules! owned {
    ($($type:ty => $variant:ident),+) => {$(
        impl From<$type> for Attribute {
            fn from(value: $type) -> Self {
                Self::$variant(value.into())
            }
        }

        impl ToAttribute for $type {
            fn to_attribute(&self) -> Attribute {
                Attribute::$variant(self.clone().into())
            }
        }
    )+};
}

owned!(Arc<str> => Text, Arc<[f32]> => Vector, Arc<[Attribute]> => List, Vec<Attribute> => List);

impl From<String> for Attribute {
    fn from(text: String) -> Self {
        Self::Text(text.into())
    }
}

impl ToAttribute for String {
    fn to_attribute(&self) -> Attribute {
        self.as_str().to_attribute()
    }
}

impl ToAttribute for str {
    fn to_attribute(&self) -> Attribute {
        Attribute::Text(self.into())
    }
}

impl From<Vec<f32>> for Attribute {
    fn from(numbers: Vec<f32>) -> Self {
        Self::Vector(numbers.into())
    }
}

impl ToAttribute for Vec<f32> {
    fn to_attribute(&self) -> Attribute {
        self.as_slice().to_attribute()
    }
}

impl ToAttribute for [f32] {
    fn to_attribute(&self) -> Attribute {
        Attribute::Vector(self.into())
    }
}

impl<const N: usize> From<[f32; N]> for Attribute {
    fn from(numbers: [f32; N]) -> Self {
        Self::Vector(numbers.into())
    }
}

impl<const N: usize> ToAttribute for [f32; N] {
    fn to_attribute(&self) -> Attribute {
        self.as_slice().to_attribute()
    }
}

/// Lists of other things than `f32`, which would be a vector.
macro_rules! list {
    ($($item:ty),+) => {$(
        impl From<Vec<$item>> for Attribute {
            fn from(items: Vec<$item>) -> Self {
                Self::List(items.into_iter().map(Self::from).collect())
            }
        }

        impl ToAttribute for Vec<$item> {
            fn to_attribute(&self) -> Attribute {
                Attribute::List(self.iter().map(ToAttribute::to_attribute).collect())
            }
        }
    )+};
}

list!(bool, i32, i64, String, &str, Arc<str>);

/// Attributes by name from values that are only borrowed: `attributes! { "title" => job.title, "embedding" => job.embedding }`
/// works on a `&Job` without a clone by the caller. Any type with [`ToAttribute`](crate::action::ToAttribute) will do.
///
/// ```
/// use nowfold_schemas::attributes;
///
/// struct Job {
///     title: String,
///     embedding: Vec<f32>,
///     salary: Option<f64>,
/// }
///
/// fn of(job: &Job) -> nowfold_schemas::action::Attributes {
///     attributes! { "title" => job.title, "embedding" => job.embedding, "salary" => job.salary }
/// }
///
/// let attributes = of(&Job { title: "nurse".into(), embedding: vec![0.5, 1.0], salary: None });
/// assert_eq!(attributes.get("title").and_then(|title| title.as_text()), Some("nurse"));
/// assert_eq!(attributes.len(), 3);
/// ```
#[macro_export]
macro_rules! attributes {
    ($($name:expr => $value:expr),* $(,)?) => {{
        #[allow(unused_mut, reason = "without attributes there is nothing to insert")]
        let mut attributes = $crate::action::Attributes::new();
        $(attributes.insert($name, $crate::action::Attribute::from(&$value));)*
        attributes
    }};
}

impl<N: Into<Arc<str>>, V: Into<Attribute>, const LEN: usize> From<[(N, V); LEN]> for Attributes {
    fn from(items: [(N, V); LEN]) -> Self {
        items.into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn owned_and_borrowed_values_become_the_same_attribute() {
        let text = String::from("x");
        let numbers = vec![1.0_f32, 2.0];
        for attribute in [Attribute::from(&text), Attribute::from(&&*text), Attribute::from("x"), text.clone().into()] {
            assert_eq!(attribute, Attribute::Text("x".into()));
        }
        for attribute in
            [Attribute::from(&numbers), Attribute::from(&numbers[..]), [1.0, 2.0].into(), numbers.clone().into()]
        {
            assert_eq!(attribute, Attribute::Vector([1.0, 2.0].into()));
        }
        assert_eq!(Attribute::from(&7_i64), Attribute::from(7_u32));
        assert_eq!(Attribute::from(&0.5_f32), Attribute::Float(0.5));
        assert_eq!(Attribute::from(&Some(true)), Attribute::from(Some(true)));
        assert_eq!(Attribute::from(&None::<String>), Attribute::Null);
        assert_eq!(Attribute::from(None::<&str>), Attribute::Null);
        assert_eq!(Attribute::from(vec!["a", "b"]), Attribute::from(&vec!["a".to_owned(), "b".to_owned()]));
    }

    #[test]
    fn macro_takes_fields_of_a_reference() {
        struct Job {
            title: String,
            n: i64,
            embedding: Vec<f32>,
            parent: Option<String>,
            city: &'static str,
        }
        let job = &Job { title: "t".into(), n: 1, embedding: vec![0.5], parent: None, city: "Ulm" };
        let attributes = attributes! {
            "title" => job.title, "n" => job.n, "embedding" => job.embedding, "parent" => job.parent,
            "city" => job.city, "long" => job.title.len() > 3,
        };
        assert_eq!(attributes.get("n"), Some(&Attribute::Int(1)));
        assert_eq!(attributes.get("parent"), Some(&Attribute::Null));
        assert_eq!(attributes.get("long"), Some(&Attribute::Bool(false)));
        assert_eq!(attributes.len(), 6);
        assert!(attributes! {}.is_empty());
    }
}
