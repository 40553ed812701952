# Cox models and what is derived from them, for tests/agreement/test_survival_cox_r.py
# Run in tests/reference: Rscript survival_cox.R   (reads survival_awkward.csv, ../../../shared/data)
library(survival)
library(jsonlite)
d <- read.csv("survival_awkward.csv")
d$whole <- as.numeric(d$whole)  # cox.zph wants doubles
shared <- "../../../shared/data"
tight <- coxph.control(eps = 1e-12, iter.max = 50, toler.inf = 1e-6)
out <- list(made_with = list(R = R.version.string, survival = as.character(packageVersion("survival"))))

describe <- function(f) {
  s <- summary(f)
  list(coef = unname(coef(f)), se = unname(sqrt(diag(f$var))),
       naive = unname(sqrt(diag(if (is.null(f$naive.var)) f$var else f$naive.var))),
       loglik = f$loglik, n = f$n, nevent = f$nevent,
       lr = unname(s$logtest[1]), score = unname(s$sctest[1]), wald = unname(f$wald.test),
       robust_score = if (is.null(f$rscore)) NA else f$rscore)
}
more <- function(f) {
  resid <- list()
  for (type in c("martingale", "deviance", "score", "dfbeta", "dfbetas"))
    resid[[type]] <- as.matrix(unname(residuals(f, type = type)))
  sch <- as.matrix(residuals(f, type = "schoenfeld"))
  ssch <- as.matrix(residuals(f, type = "scaledsch"))
  # cox.zph itself fails where a stratum has one event only: null then
  zph <- lapply(c("km", "rank", "identity", "log"), function(g) tryCatch(unname(cox.zph(f, g)$table[, 1]), error = function(e) { message(conditionMessage(e)); NULL }))
  names(zph) <- c("km", "rank", "identity", "log")
  b <- basehaz(f, centered = FALSE)
  m <- basehaz(f, centered = TRUE)
  con <- concordance(f)
  list(resid = resid, schoenfeld = unname(sch), scaled = unname(ssch), schoenfeld_time = as.numeric(rownames(sch)), zph = zph,
       base_time = b$time, base = b$hazard, base_centered = m$hazard,
       concordance = unname(con$concordance), concordance_se = unname(sqrt(con$var)), pairs = unname(colSums(matrix(con$count, ncol = 5))))
}
curves <- function(f, new, type) {
  s <- survfit(f, newdata = new, conf.type = type)
  list(time = s$time, surv = as.matrix(unname(s$surv)), se = as.matrix(unname(s$std.err)), cumhaz = as.matrix(unname(s$cumhaz)),
       low = as.matrix(unname(s$lower)), high = as.matrix(unname(s$upper)), strata = if (is.null(s$strata)) NULL else unname(s$strata),
       n_event = s$n.event, n_risk = s$n.risk)
}
x <- Surv(day, event) ~ arm + age + marker
fits <- list()
for (ties in c("efron", "breslow")) {
  fits[[paste0(ties, "_plain")]] <- coxph(x, d, ties = ties, control = tight)
  fits[[paste0(ties, "_strata")]] <- coxph(update(x, . ~ . + strata(stratum)), d, ties = ties, control = tight)
  fits[[paste0(ties, "_truncated")]] <- coxph(update(x, Surv(entry, day, event) ~ . + strata(stratum)), d, ties = ties, control = tight)
  fits[[paste0(ties, "_weights")]] <- coxph(x, d, weights = whole, ties = ties, control = tight)
  fits[[paste0(ties, "_offset")]] <- coxph(update(x, . ~ . + offset(offset)), d, ties = ties, control = tight)
  fits[[paste0(ties, "_fractional_truncated_offset")]] <- coxph(update(x, Surv(entry, day, event) ~ . + strata(stratum) + offset(offset)), d, weights = fractional, robust = FALSE, ties = ties, control = tight)
}
for (name in names(fits)) out$fits[[name]] <- c(describe(fits[[name]]), more(fits[[name]]))
out$fits$efron_months <- describe(coxph(update(x, Surv(month, event) ~ .), d, control = tight))
out$fits$efron_cluster <- describe(coxph(x, d, cluster = center, control = tight))
out$fits$efron_cluster_weights <- describe(coxph(update(x, Surv(entry, day, event) ~ . + strata(stratum)), d, cluster = center, weights = fractional, control = tight))
out$fits$efron_fractional <- describe(coxph(x, d, weights = fractional, control = tight))
out$fits$breslow_cluster <- describe(coxph(x, d, cluster = center, ties = "breslow", control = tight))
out$fits$exact_plain <- describe(coxph(x, d, ties = "exact", control = tight))
out$fits$exact_strata <- describe(coxph(update(x, . ~ . + strata(stratum)), d, ties = "exact", control = tight))
e <- coxph(update(x, Surv(entry, day, event) ~ . + strata(stratum)), d, ties = "exact", control = tight)
out$fits$exact_truncated <- list(coef = unname(coef(e)), se = unname(sqrt(diag(e$var))), loglik = e$loglik)
out$fits$efron_factor <- describe(coxph(Surv(day, event) ~ arm + factor(center %/% 4) + age, d, control = tight))
out$zph_factor <- unname(cox.zph(coxph(Surv(day, event) ~ arm + factor(center %/% 4) + age, d, control = tight))$table)
new <- data.frame(arm = c(0, 1), age = c(30, 45), marker = c(0.5, 2))
out$curves$efron_plain <- curves(fits$efron_plain, new, "log-log")
out$curves$breslow_plain <- curves(fits$breslow_plain, new, "log")
out$curves$efron_strata <- curves(fits$efron_strata, new, "plain")
out$curves$efron_truncated <- curves(fits$efron_truncated, new, "log-log")

k <- read.csv(file.path(shared, "survival_r/kidney.csv"))
b <- read.csv(file.path(shared, "survival_r/bladder2.csv"))
r <- read.csv(file.path(shared, "survival_r/retinopathy.csv"))
v <- read.csv(file.path(shared, "survival_r/veteran.csv"))
l <- subset(read.csv(file.path(shared, "survival_r/lung.csv")), !is.na(ph.ecog))
a <- read.csv(file.path(shared, "actg175/ACTG175.csv"))
out$shared <- list(
  kidney = describe(coxph(Surv(time, status) ~ age + sex, k, cluster = id, control = tight)),
  bladder = describe(coxph(Surv(start, stop, event) ~ rx + size + number, b, cluster = id, control = tight)),
  bladder_pwp = describe(coxph(Surv(start, stop, event) ~ rx + size + number + strata(enum), b, cluster = id, control = tight)),
  bladder_gap = describe(coxph(Surv(stop - start, event) ~ rx + size + number + strata(enum), subset(b, stop > start), cluster = id, control = tight)),
  retinopathy = describe(coxph(Surv(futime, status) ~ trt + type, r, cluster = id, control = tight)),
  veteran = c(describe(coxph(Surv(time, status) ~ trt + karno + age + celltype, v, control = tight)),
              list(zph = unname(cox.zph(coxph(Surv(time, status) ~ trt + karno + age + celltype, v, control = tight))$table))),
  lung_exact = describe(coxph(Surv(time, status == 2) ~ sex + age + ph.ecog, l, ties = "exact", control = tight)),
  actg = describe(coxph(Surv(days, cens) ~ factor(arms) + strata(strat), a, control = tight)))
write_json(out, "survival_cox.json", digits = NA, auto_unbox = TRUE, na = "null", null = "null")
