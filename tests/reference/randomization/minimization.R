# Minimization patient by patient, written from Pocock & Simon 1975 (range, equal weights) and, for unequal
# ratios, Han, Enas & McEntegart 2009: counts over the ratio; the arm of the smallest part is preferred with
# p, arm j with 1 - (1 - p)(R - r_j)/(R - r_min), the rest shared by the ratio; ties shared by the ratio.
# Minirand is not in Debian; this stands for it.   Run: Rscript minimization.R   (writes minimization.csv)
set.seed(20261120)
levels <- c(2, 3, 4)
one_case <- function(name, ratio, p = 0.8, n = 200) {
  k <- length(ratio); R <- sum(ratio)
  factor_of <- sapply(levels, function(m) sample.int(m, n, replace = TRUE))
  arm <- integer(0); rows <- NULL
  for (i in seq_len(n)) {
    total <- numeric(k)
    for (candidate in seq_len(k)) for (f in seq_along(levels)) {
      same <- which(factor_of[seq_len(i - 1), f] == factor_of[i, f])
      counts <- tabulate(c(arm[same], candidate), k) / ratio
      total[candidate] <- total[candidate] + max(counts) - min(counts)
    }
    best <- which(total < min(total) + 1e-9)
    chance <- numeric(k)
    for (j in best) {
      high <- 1 - (1 - p) * (R - ratio[j]) / (R - min(ratio))
      given <- (1 - high) * ratio / (R - ratio[j]); given[j] <- high
      chance <- chance + ratio[j] / sum(ratio[best]) * given
    }
    arm[i] <- sample.int(k, 1, prob = chance)
    shown <- c(sprintf("%.17g", chance), rep("", 3 - k))
    rows <- rbind(rows, c(name, factor_of[i, ] - 1, shown, arm[i] - 1))
  }
  rows
}
out <- as.data.frame(rbind(one_case("equal", c(1, 1)), one_case("unequal", c(2, 1, 1))))
names(out) <- c("case", "f1", "f2", "f3", "p1", "p2", "p3", "arm")
write.csv(out, "minimization.csv", row.names = FALSE, quote = FALSE)
