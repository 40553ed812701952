# Probability of sequences of twelve allocations under restricted randomization, from the definitions:
# Efron 1971; Soares & Wu 1983; Chen 1999; Berger, Ivanova & Knoll 2003 (here by listing every sequence);
# permuted blocks.  Arm 0 is the first.  randomizeR is not in Debian; this stands for it.
# Run: Rscript sequences.R   (writes sequences.csv, expectations.csv)
n <- 12
arms <- as.matrix(expand.grid(rep(list(0:1), n)))[, n:1]
walk <- t(apply(ifelse(arms == 0, 1, -1), 1, cumsum))
before <- cbind(0, walk[, -n])

coin <- function(first) {                       # product of P(arm | imbalance before)
  p <- matrix(first(before), nrow(arms))
  apply(ifelse(arms == 0, p, 1 - p), 1, prod)
}
complete <- function(limit, p) coin(function(d) 0.5 + 0 * d)
efron <- function(limit, p) coin(function(d) ifelse(d == 0, 0.5, ifelse(d < 0, p, 1 - p)))
big_stick <- function(limit, p) coin(function(d) ifelse(d >= limit, 0, ifelse(d <= -limit, 1, 0.5)))
biased_coin <- function(limit, p)
  coin(function(d) ifelse(d >= limit, 0, ifelse(d <= -limit, 1, ifelse(d == 0, 0.5, ifelse(d < 0, p, 1 - p)))))
blocks <- function(limit, p) {                  # `limit` is the size
  ends <- seq(limit, n, by = limit)
  inside <- apply(walk[, ends, drop = FALSE] == 0, 1, all)
  inside / choose(limit, limit / 2)^(n / limit)
}
uniform <- function(inside) inside / sum(inside)
maximal <- function(limit, p) uniform(apply(abs(walk), 1, max) <= limit)
maximal_balanced <- function(limit, p) uniform(apply(abs(walk), 1, max) <= limit & walk[, n] == 0)

cases <- list(
  list("complete", complete, 0, 0.5), list("efron", efron, 0, 2 / 3), list("efron", efron, 0, 0.8),
  list("big_stick", big_stick, 2, 0.5), list("big_stick", big_stick, 3, 0.5),
  list("biased_coin", biased_coin, 3, 2 / 3), list("biased_coin", biased_coin, 2, 0.75),
  list("blocks", blocks, 2, 0.5), list("blocks", blocks, 4, 0.5), list("blocks", blocks, 6, 0.5),
  list("maximal", maximal, 2, 0.5), list("maximal", maximal, 3, 0.5),
  list("maximal_balanced", maximal_balanced, 2, 0.5), list("maximal_balanced", maximal_balanced, 3, 0.5))

right <- rowSums(ifelse(before == 0, 0.5, 1 * ((before < 0) == (arms == 0))))
shown <- seq(1, nrow(arms), by = 61)
sequences <- expectations <- NULL
for (case in cases) {
  chance <- case[[2]](case[[3]], case[[4]])
  stopifnot(abs(sum(chance) - 1) < 1e-12)
  p <- sprintf("%.17g", case[[4]])
  sequences <- rbind(sequences, data.frame(
    scheme = case[[1]], limit = case[[3]], p = p,
    sequence = apply(arms[shown, ], 1, paste, collapse = ""), probability = sprintf("%.17g", chance[shown])))
  expectations <- rbind(expectations, data.frame(
    scheme = case[[1]], limit = case[[3]], p = p, guess_rate = sprintf("%.17g", sum(chance * right) / n),
    imbalance = sprintf("%.17g", sum(chance * abs(walk[, n])))))
}
write.csv(sequences, "sequences.csv", row.names = FALSE, quote = FALSE)
write.csv(expectations, "expectations.csv", row.names = FALSE, quote = FALSE)
cat(R.version.string, "\n", file = "versions.txt", sep = "")
