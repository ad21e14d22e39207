//! Sums carried in twice the working precision.

/// The unevaluated sum hi + lo.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct TwoFold {
    pub hi: f64,
    pub lo: f64,
}

impl TwoFold {
    pub const ZERO: TwoFold = TwoFold { hi: 0.0, lo: 0.0 };

    pub fn new(hi: f64, lo: f64) -> Self {
        TwoFold { hi, lo }
    }

    /// The sum, with Knuth's two-sum for the leading parts.
    pub fn plus(self, other: TwoFold) -> TwoFold {
        let hi = self.hi + other.hi;
        if !hi.is_finite() {
            return TwoFold { hi, lo: 0.0 };
        }
        let shifted = hi - self.hi;
        let error = (self.hi - (hi - shifted)) + (other.hi - shifted);
        TwoFold { hi, lo: error + (self.lo + other.lo) }
    }

    /// The product with e^d, d ≤ 0. Near d = 0 what is taken away is computed instead of what stays: a chain
    /// of such products then errs by no more than one with their total, however many there are.
    pub fn times_exp(self, d: f64) -> TwoFold {
        if d > -0.5 {
            let less = d.exp_m1();
            TwoFold { hi: self.hi * less, lo: self.lo * less }.plus(self)
        } else {
            let e = d.exp();
            TwoFold { hi: self.hi * e, lo: self.lo * e }
        }
    }

    pub fn value(self) -> f64 {
        self.hi + self.lo
    }
}
