# Guyot, Ades, Ouwens, Welton, BMC Med Res Methodol 2012;12:9: the algorithm from its description (steps 1-7),
# written for this test; reads points.csv and risk.csv (make_cases.py), writes guyot.json.
# Run in tests/reference/curve_reconstruction: Rscript guyot.R
library(survival)
library(jsonlite)

# Step 2: count censorings spread evenly over (from, to) that fall in each [t_k, t_k+1), k in slots.
spread <- function(count, from, to, t, slots) {
  if (count <= 0) return(list(when = numeric(0), n = rep(0, length(slots))))
  when <- from + seq_len(count) * (to - from) / (count + 1)
  at <- findInterval(when, t[slots])
  list(when = when, n = tabulate(at, length(slots)))
}

# Step 3: events point by point; the curve of the pseudo patients decides each number.
walk <- function(S, slots, start, km, cens) {
  d <- n <- fit <- numeric(length(slots))
  for (j in seq_along(slots)) {
    n[j] <- start
    d[j] <- if (slots[j] == 1 || start <= 0 || km <= 0) 0 else round(start * (1 - S[slots[j]] / km))
    if (d[j] > 0) km <- km * (1 - d[j] / start)
    fit[j] <- km
    cens[j] <- min(cens[j], start - d[j])
    start <- start - d[j] - cens[j]
  }
  list(d = d, n = n, fit = fit, left = start, km = km, cens = cens)
}

reconstruct <- function(t, S, trisk, nrisk, total) {
  K <- length(t); R <- length(nrisk)
  lower <- match(trisk, t); upper <- c(lower[-1] - 1, K)
  ncens <- rep(0, R); start <- nrisk[1]; km <- 1
  D <- C <- N <- F <- numeric(K); when <- numeric(0)
  keep <- function(slots, w, s) {
    D[slots] <<- w$d; C[slots] <<- w$cens; N[slots] <<- w$n; F[slots] <<- w$fit
    k <- findInterval(s$when, t[slots])  # a slot may have held fewer patients than were spread over it
    when <<- c(when, s$when[ave(k, k, FUN = seq_along) <= w$cens[k]])
  }
  for (i in seq_len(R - 1)) {
    slots <- lower[i]:upper[i]; to <- t[lower[i + 1]]
    ncens[i] <- round(start * S[lower[i + 1]] / S[lower[i]] - nrisk[i + 1])           # step 1
    repeat {                                                                          # step 4
      ncens[i] <- max(ncens[i], 0)
      s <- spread(ncens[i], t[lower[i]], to, t, slots)
      w <- walk(S, slots, start, km, s$n)
      if (w$left == nrisk[i + 1] || (w$left < nrisk[i + 1] && ncens[i] == 0)) break
      ncens[i] <- ncens[i] + w$left - nrisk[i + 1]
    }
    keep(slots, w, s); start <- w$left; km <- w$km
  }
  slots <- lower[R]:K                                                                 # steps 5 to 7
  if (R > 1) {
    rate <- sum(ncens[seq_len(R - 1)]) / (t[lower[R]] - t[1])
    ncens[R] <- min(round(rate * (t[K] - t[lower[R]])), start)
  }
  before <- sum(D)
  if (!is.na(total) && before >= total) {
    s <- spread(0, 0, 1, t, slots); w <- walk(rep(km, K), slots, start, km, s$n)
  } else repeat {
    s <- spread(ncens[R], t[lower[R]], t[K], t, slots)
    w <- walk(S, slots, start, km, s$n)
    gap <- before + sum(w$d) - total
    if (is.na(total) || gap == 0 || (gap < 0 && ncens[R] == 0)) break
    ncens[R] <- max(ncens[R] + gap, 0)
  }
  keep(slots, w, s)
  time <- c(rep(t, D), when, rep(t[K], w$left))
  event <- rep(1:0, c(sum(D), length(when) + w$left))
  fit <- survfit(Surv(time, event) ~ 1)
  at <- summary(fit, times = t, extend = TRUE)$surv
  list(events = D + 0, censored = C + 0, at_risk = N, fitted = F, n_censored = sapply(seq_len(R), function(i) sum(C[lower[i]:upper[i]])),
       rows = length(time), total = sum(event), km = at, exposure = sum(time))
}

points <- read.csv("points.csv"); risk <- read.csv("risk.csv")
out <- lapply(split(points, points$case), function(p) {
  r <- risk[risk$case == p$case[1], ]
  reconstruct(p$time, p$survival, r$time, r$at_risk, r$events[1])
})
out$made_with <- list(R = R.version.string, survival = as.character(packageVersion("survival")))
write_json(out, "guyot.json", digits = NA, auto_unbox = TRUE)
