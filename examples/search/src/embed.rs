//! A text as a vector: the parts of its words, each in a place of its own. It stands in for a model.

/// As many as the column `embedding` has.
const DIMENSIONS: usize = 256;

/// Letters of a part of a word: what "baking" and "baked" share.
const PART: usize = 3;

/// The vector of a text, about 1 long. Texts that share parts of words are near.
pub fn embed(text: &str) -> Vec<f32> {
    let mut vector = vec![0.0_f32; DIMENSIONS];
    for word in text
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
    {
        let word: Vec<char> = format!(" {} ", word.to_lowercase()).chars().collect();
        for part in word.windows(PART) {
            let place = hash(part) as usize;
            if let Some(number) = vector.get_mut(place % DIMENSIONS) {
                // Half of the parts count the other way, so that two in one place do not add up.
                *number += if place & 0x8000 == 0 { 1.0 } else { -1.0 };
            }
        }
    }
    let length = vector
        .iter()
        .map(|number| number * number)
        .sum::<f32>()
        .sqrt();
    if length > 0.0 {
        vector.iter_mut().for_each(|number| *number /= length);
    }
    vector
}

/// FNV-1a: the same on every machine.
fn hash(part: &[char]) -> u32 {
    part.iter().fold(0x811c_9dc5, |hash, letter| {
        (hash ^ u32::from(*letter)).wrapping_mul(0x0100_0193)
    })
}
