# Kappa of pairs of votes, with standard errors by the delta method done numerically: the gradient of kappa
# over the multinomial cell probabilities by central differences, so that no closed formula is shared with
# flarefree.  Exact limits of a proportion by binom.test.
# Run: Rscript kappa.R > kappa.json

margins <- function(p) list(rowSums(p), colSums(p))
cohen <- function(p) { m <- margins(p); pe <- sum(m[[1]] * m[[2]]); (sum(diag(p)) - pe) / (1 - pe) }
scott <- function(p) { m <- margins(p); q <- (m[[1]] + m[[2]]) / 2; pe <- sum(q^2); (sum(diag(p)) - pe) / (1 - pe) }

delta <- function(f, counts) {
  n <- sum(counts); p <- counts / n; k <- length(p); h <- 1e-6
  # Off the simplex on purpose: kappa is a smooth function of all cells, and the multinomial covariance
  # projects the gradient back.
  g <- vapply(seq_len(k), function(i) {
    up <- p; down <- p; up[i] <- up[i] + h; down[i] <- down[i] - h
    (f(up) - f(down)) / (2 * h)
  }, 0)
  sqrt((sum(g^2 * p) - sum(g * p)^2) / n)
}

tables <- list(
  fleiss = matrix(c(75, 1, 4, 5, 4, 1, 0, 0, 10), 3, byrow = TRUE),
  two = matrix(c(20, 5, 10, 15), 2, byrow = TRUE),
  lopsided = matrix(c(180, 9, 4, 3, 2, 0, 1, 0, 1), 3, byrow = TRUE),
  apart = matrix(c(1, 9, 8, 2), 2, byrow = TRUE)
)
one <- function(name) {
  t <- tables[[name]]
  cells <- paste(apply(t, 1, function(r) sprintf("[%s]", paste(r, collapse = ", "))), collapse = ", ")
  sprintf('  "%s": {"table": [%s], "cohen": %.12f, "cohen_se": %.9f, "scott": %.12f, "scott_se": %.9f}',
          name, cells, cohen(t / sum(t)), delta(cohen, t), scott(t / sum(t)), delta(scott, t))
}
limits <- function(x, n) { ci <- binom.test(x, n)$conf.int; sprintf('  "%d/%d": [%.12f, %.12f]', x, n, ci[1], ci[2]) }
cat("{\n", sprintf('  "R": "%s",\n', R.version.string), sep = "")
cat(paste(c(vapply(names(tables), one, ""), limits(0, 16), limits(3, 16), limits(7, 63)), collapse = ",\n"), "\n}\n", sep = "")
