# A small trial to test repeated measures on: trial.csv.  Run in this folder: Rscript make_trial.R
# Unbalanced on purpose: dropouts, visits missing in between, subjects with one visit, two covariance
# regimes, a center with few subjects.
set.seed(20240517, kind = "Mersenne-Twister", normal.kind = "Inversion", sample.kind = "Rejection")
n <- 90
visits <- c("W04", "W08", "W12", "W24", "W36")
m <- length(visits)
arm <- rep(c("AZA", "MMF"), length.out = n)
center <- sample(c("north", "south", "west"), n, TRUE, c(.5, .4, .1))
baseline <- round(rnorm(n, 2.5, 0.8), 3)
sd_aza <- c(1.0, 1.1, 1.2, 1.4, 1.5)
sd_mmf <- c(0.8, 1.0, 0.9, 1.1, 1.3)
lag <- abs(outer(1:m, 1:m, "-"))
rho <- 0.65^lag
rows <- list()
for (i in 1:n) {
  s <- if (arm[i] == "AZA") sd_aza else sd_mmf
  e <- drop(t(chol(outer(s, s) * rho)) %*% rnorm(m))
  mean_i <- -0.3 * (1:m) + 0.4 * (baseline[i] - 2.5) - (arm[i] == "MMF") * 0.15 * (1:m) + (center[i] == "west") * 0.3
  y <- round(mean_i + e, 4)
  here <- runif(m) > 0.07
  last <- if (runif(1) < 0.25) sample(1:(m - 1), 1) else m
  here <- here & (1:m <= last)
  if (!any(here)) here[1] <- TRUE
  b <- 1.6 * rnorm(1)
  eta <- -1.5 + 0.45 * (1:m) + (arm[i] == "MMF") * 0.35 * (1:m - 1) - 0.5 * (baseline[i] - 2.5) + b
  remission <- as.integer(runif(m) < plogis(eta))
  rows[[i]] <- data.frame(subject = sprintf("S%03d", i), arm = arm[i], center = center[i],
    baseline = baseline[i], visit = visits, change = y, remission = remission)[here, ]
}
trial <- do.call(rbind, rows)
write.csv(trial, "trial.csv", row.names = FALSE, quote = FALSE)
