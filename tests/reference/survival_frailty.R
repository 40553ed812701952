# Shared frailty models, for tests/agreement/test_survival_frailty_r.py
# Run in tests/reference: Rscript survival_frailty.R   (reads survival_awkward.csv, ../../../shared/data)
# coxph stops its search of the variance early and warns of inner loops; here the integrated likelihood
# that it reports at a given variance is maximized by optimize() to full precision.
library(survival)
library(jsonlite)
d <- read.csv("survival_awkward.csv")
shared <- "../../../shared/data"
tight <- coxph.control(eps = 1e-12, toler.chol = 1e-13, iter.max = 200)
out <- list(made_with = list(R = R.version.string, survival = as.character(packageVersion("survival"))))

at <- function(formula, data, theta, dist, sparse, ties = "efron") {
  term <- sprintf(". ~ . + frailty(%s, distribution = '%s', theta = %.17g, sparse = %s)", attr(formula, "group"), dist, theta, sparse)
  f <- coxph(update(formula, term), data, control = tight, ties = ties)
  f
}
parts <- function(f) {
  n <- length(f$coefficients)
  if (is.null(f$fvar)) {  # not sparse: the frailties are the last coefficients
    p <- n - length(grep("^(gamma|gauss)", names(coef(f))))
    list(coef = unname(coef(f)[1:p]), se = unname(sqrt(diag(f$var)[1:p])), frail = unname(coef(f)[-(1:p)]),
         frail_se = unname(sqrt(diag(f$var)[-(1:p)])), loglik = f$loglik[2], df = sum(f$df), c_loglik = f$history[[1]]$c.loglik)
  } else list(coef = unname(coef(f)), se = unname(sqrt(diag(f$var))), frail = f$frail, frail_se = sqrt(f$fvar),
              loglik = f$loglik[2], df = sum(f$df), c_loglik = f$history[[1]]$c.loglik)
}
model <- function(text, group) structure(as.formula(text), group = group)
maximum <- function(formula, data, sparse = TRUE, ties = "efron", upper = 5) {
  best <- optimize(function(theta) at(formula, data, theta, "gamma", sparse, ties)$history[[1]]$c.loglik,
                   c(1e-8, upper), maximum = TRUE, tol = 1e-10)
  c(list(theta = best$maximum), parts(at(formula, data, best$maximum, "gamma", sparse, ties)))
}
kidney <- read.csv(file.path(shared, "survival_r/kidney.csv"))
eortc <- read.csv(file.path(shared, "survival_r/eortc_multicentre.csv"))
m_awkward <- model("Surv(day, event) ~ arm + age", "center")
m_truncated <- model("Surv(entry, day, event) ~ arm + age + strata(stratum)", "center")
m_kidney <- model("Surv(time, status) ~ age + sex", "id")
m_eortc <- model("Surv(y, uncens) ~ trt", "center")
out$gamma <- list(
  awkward = maximum(m_awkward, d), awkward_dense = maximum(m_awkward, d, FALSE),
  awkward_breslow = maximum(m_awkward, d, TRUE, "breslow"), truncated = maximum(m_truncated, d),
  kidney = maximum(m_kidney, kidney), kidney_dense = maximum(m_kidney, kidney, FALSE), eortc = maximum(m_eortc, eortc, upper = 1))
for (theta in c(0.05, 0.5, 2)) {
  out$fixed[[paste0("gamma_", theta)]] <- c(list(theta = theta), parts(at(m_awkward, d, theta, "gamma", TRUE)))
  out$fixed[[paste0("gaussian_", theta)]] <- c(list(theta = theta), parts(at(m_awkward, d, theta, "gaussian", TRUE)))
  out$fixed[[paste0("gaussian_dense_", theta)]] <- c(list(theta = theta), parts(at(m_awkward, d, theta, "gaussian", FALSE)))
}
# REML of coxph's gaussian frailty: the root of its own equation, theta = sum(b^2) / (J - trace / theta)
reml <- function(formula, data, sparse, lower = 1e-3, upper = 3) {
  gap <- function(theta) {
    p <- parts(at(formula, data, theta, "gaussian", sparse))
    sum(p$frail^2) / (length(p$frail) - sum(p$frail_se^2) / theta) - theta
  }
  theta <- uniroot(gap, c(lower, upper), tol = 1e-12)$root
  c(list(theta = theta), parts(at(formula, data, theta, "gaussian", sparse)))
}
out$reml <- list(kidney = reml(m_kidney, kidney, TRUE), kidney_dense = reml(m_kidney, kidney, FALSE),
                 eortc = reml(m_eortc, eortc, TRUE), eortc_dense = reml(m_eortc, eortc, FALSE))
write_json(out, "survival_frailty.json", digits = NA, auto_unbox = TRUE, na = "null", null = "null")
