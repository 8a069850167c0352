//! A radix-2 Fourier transform, enough for scoring.

use std::f64::consts::TAU;

/// A complex number.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Complex {
    pub re: f64,
    pub im: f64,
}

impl Complex {
    pub fn real(re: f64) -> Self {
        Self { re, im: 0.0 }
    }

    pub fn power(self) -> f64 {
        self.re * self.re + self.im * self.im
    }

    pub fn conjugate(self) -> Self {
        Self {
            re: self.re,
            im: -self.im,
        }
    }

    pub fn times(self, other: Self) -> Self {
        Self {
            re: self.re * other.re - self.im * other.im,
            im: self.re * other.im + self.im * other.re,
        }
    }
}

/// In place, unscaled. The length is a power of two.
pub fn transform(values: &mut [Complex]) {
    let length = values.len();
    assert!(length.is_power_of_two(), "the length is a power of two");
    if length < 2 {
        return;
    }
    reverse_bits(values);
    let roots = roots(length);
    let mut half = 1;
    while half < length {
        let stride = length / (2 * half);
        for start in (0..length).step_by(2 * half) {
            for k in 0..half {
                butterfly(values, start + k, half, roots[k * stride]);
            }
        }
        half *= 2;
    }
}

/// The first half of the roots of unity, clockwise.
fn roots(length: usize) -> Vec<Complex> {
    let step = -TAU / length as f64;
    (0..length / 2)
        .map(|k| {
            let (im, re) = (step * k as f64).sin_cos();
            Complex { re, im }
        })
        .collect()
}

fn butterfly(values: &mut [Complex], at: usize, half: usize, twiddle: Complex) {
    let (even, odd) = (values[at], values[at + half].times(twiddle));
    values[at] = Complex {
        re: even.re + odd.re,
        im: even.im + odd.im,
    };
    values[at + half] = Complex {
        re: even.re - odd.re,
        im: even.im - odd.im,
    };
}

fn reverse_bits(values: &mut [Complex]) {
    let bits = values.len().trailing_zeros();
    for at in 0..values.len() {
        let other = at.reverse_bits() >> (usize::BITS - bits);
        if at < other {
            values.swap(at, other);
        }
    }
}

/// Cross-correlation: element `lag` is the sum of `a[t] * b[t + lag]`; negative lags stand at the end.
pub fn correlate(a: &[f64], b: &[f64]) -> Vec<f64> {
    let length = (a.len() + b.len()).next_power_of_two();
    let spectrum = |samples: &[f64]| {
        let mut values: Vec<Complex> = samples.iter().map(|&s| Complex::real(s)).collect();
        values.resize(length, Complex::default());
        transform(&mut values);
        values
    };
    let mut product: Vec<Complex> = spectrum(a)
        .iter()
        .zip(spectrum(b))
        // Conjugated, so that the forward transform inverts.
        .map(|(a, b)| a.conjugate().times(b).conjugate())
        .collect();
    transform(&mut product);
    product
        .iter()
        .map(|value| value.re / length as f64)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shift_is_found() {
        let a: Vec<f64> = (0..50).map(|n| f64::from(n * n % 17) - 8.0).collect();
        let mut b = vec![0.0; 23];
        b.extend(&a);
        let correlation = correlate(&a, &b);
        let best =
            (0..correlation.len()).max_by(|&x, &y| correlation[x].total_cmp(&correlation[y]));
        assert_eq!(best, Some(23));
        let energy: f64 = a.iter().map(|s| s * s).sum();
        assert!((correlation[23] - energy).abs() < 1e-6);
    }
}
