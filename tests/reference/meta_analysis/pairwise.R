# Pooling of two treatments, for tests/evidence/test_evidence_pairwise*.py
# Run in tests/reference/meta_analysis: Rscript pairwise.R > /dev/null   (reads pairwise_made.csv, ../../../../shared/data)
suppressMessages({library(metafor); library(jsonlite)})
shared <- "../../../../shared/data/meta_analysis"
made <- read.csv("pairwise_made.csv")
bcg <- read.csv(file.path(shared, "dat.bcg.csv"))
collins <- read.csv(file.path(shared, "dat.collins1985b.csv"))
quiet <- suppressWarnings
tight <- list(threshold = 1e-12, maxiter = 1000, tol = 1e-13)
sets <- list(
  bcg = with(bcg, data.frame(study = trial, ai = tpos, n1i = tpos + tneg, ci = cpos, n2i = cpos + cneg)),
  collins_pre = with(collins, data.frame(study = id, ai = pre.xti, n1i = pre.nti, ci = pre.xci, n2i = pre.nci)),
  collins_ped = with(collins, data.frame(study = id, ai = ped.xti, n1i = fup.nti, ci = ped.xci, n2i = fup.nci)),
  collins_stb = with(collins, data.frame(study = id, ai = stb.xti, n1i = fup.nti, ci = stb.xci, n2i = fup.nci)),
  made = with(made, data.frame(study = study, ai = ai, n1i = n1i, ci = ci, n2i = n2i)))
sets <- lapply(sets, function(d) d[complete.cases(d), ])

whole <- function(f) {
  out <- list(k = f$k, b = f$b[, 1], se = f$se, statistic = f$zval, p = f$pval, ci = cbind(f$ci.lb, f$ci.ub),
              tau2 = f$tau2, se_tau2 = f$se.tau2, I2 = f$I2, H2 = f$H2, QE = f$QE, QEp = f$QEp,
              QM = f$QM, QMp = f$QMp, R2 = f$R2)
  lapply(out, unname)
}
random <- function(y, v, method, test = "z", mods = NULL) {
  arguments <- list(c(y), c(v), method = method, test = test, control = tight)
  if (!is.null(mods)) arguments$mods <- mods
  f <- quiet(do.call(rma.uni, arguments))
  out <- whole(f)
  if (is.null(mods) && method != "EE") {
    p <- predict(f, pi.type = "Riley")
    out$riley <- c(p$pi.lb, p$pi.ub)
    p <- predict(f)
    out$pi <- c(p$pi.lb, p$pi.ub)
  }
  if (method == "REML" && f$k > f$p) out$profile <- unname(confint(f, control = list(tol = 1e-13))$random[c(1, 3, 4), 2:3])
  out
}
estimators <- c("EE", "DL", "PM", "REML", "ML", "EB", "HE", "HS", "HSk", "SJ")
out <- list(made_with = list(R = R.version.string, metafor = as.character(packageVersion("metafor"))))

# Inverse variance over data sets, measures, estimators and tests
out$uni <- list()
for (s in names(sets)) for (m in c("RR", "OR", "RD", "PETO")) {
  d <- sets[[s]]
  e <- quiet(escalc(m, ai = d$ai, n1i = d$n1i, ci = d$ci, n2i = d$n2i))
  keep <- is.finite(e$yi) & is.finite(e$vi) & e$vi > 0
  here <- list(yi = c(e$yi), vi = c(e$vi))
  for (est in estimators) for (test in c("z", "knha", "adhoc")) {
    if (test != "z" && m %in% c("RD", "PETO")) next
    key <- paste(est, test)
    here[[key]] <- random(e$yi[keep], e$vi[keep], est, test)
  }
  out$uni[[paste(s, m)]] <- here
}

# Corrections of empty cells
out$zero <- list()
for (to in c("only0", "if0all", "all", "none")) for (drop in c(FALSE, TRUE)) for (m in c("RR", "OR", "RD")) {
  d <- sets$made
  e <- quiet(escalc(m, ai = d$ai, n1i = d$n1i, ci = d$ci, n2i = d$n2i, to = to, drop00 = drop, add = 0.5))
  out$zero[[paste(m, to, if (drop) "exclude" else "keep")]] <- list(yi = c(e$yi), vi = c(e$vi))
}
e <- escalc("IRR", x1i = made$ai, t1i = made$t1i, x2i = made$ci, t2i = made$t2i)
out$irr <- list(yi = c(e$yi), vi = c(e$vi), REML = random(e$yi, e$vi, "REML"))
for (m in c("MD", "SMD", "ROM")) {
  e <- with(made, escalc(m, m1i = m1i, sd1i = sd1i, n1i = n1i, m2i = m2i, sd2i = sd2i, n2i = n2i))
  out[[m]] <- list(yi = c(e$yi), vi = c(e$vi), REML = random(e$yi, e$vi, "REML", "knha"))
}

# Mantel-Haenszel and Peto
out$mh <- list()
for (s in names(sets)) for (m in c("RR", "OR", "RD")) {
  d <- sets[[s]]
  f <- quiet(rma.mh(measure = m, ai = d$ai, n1i = d$n1i, ci = d$ci, n2i = d$n2i))
  out$mh[[paste(s, m)]] <- list(b = f$b[1], se = f$se, p = f$pval, QE = f$QE, I2 = f$I2, k = f$k, k.yi = f$k.yi)
}
f <- quiet(rma.mh(measure = "IRR", x1i = made$ai, t1i = made$t1i, x2i = made$ci, t2i = made$t2i))
out$mh[["made IRR"]] <- list(b = f$b[1], se = f$se, p = f$pval, QE = f$QE, I2 = f$I2)
f <- quiet(rma.mh(measure = "IRD", x1i = made$ai, t1i = made$t1i, x2i = made$ci, t2i = made$t2i))
out$mh[["made IRD"]] <- list(b = f$b[1], se = f$se, p = f$pval, QE = f$QE, I2 = f$I2)
out$peto <- list()
for (s in names(sets)) {
  d <- sets[[s]]
  f <- quiet(rma.peto(ai = d$ai, n1i = d$n1i, ci = d$ci, n2i = d$n2i))
  out$peto[[s]] <- list(b = f$b[1], se = f$se, p = f$pval, QE = f$QE, k.yi = f$k.yi)
}
tables <- function(d) {
  d <- d[d$ai + d$ci > 0 & d$ai + d$ci < d$n1i + d$n2i, ]
  a <- array(0, c(2, 2, nrow(d)))
  for (i in seq_len(nrow(d))) a[, , i] <- matrix(c(d$ai[i], d$ci[i], d$n1i[i] - d$ai[i], d$n2i[i] - d$ci[i]), 2)
  a
}
out$exact <- list()
for (s in c("collins_ped", "collins_stb", "made")) {
  f <- mantelhaen.test(tables(sets[[s]]), exact = TRUE)
  out$exact[[s]] <- list(or = unname(f$estimate), ci = c(f$conf.int), p = f$p.value)
}

# Regression on moderators, subgroups
e <- escalc("RR", ai = bcg$tpos, bi = bcg$tneg, ci = bcg$cpos, di = bcg$cneg)
y <- c(e$yi); v <- c(e$vi)
out$regression <- list(
  ablat_REML_z = random(y, v, "REML", "z", model.matrix(~ablat, bcg)),
  ablat_REML_knha = random(y, v, "REML", "knha", model.matrix(~ablat, bcg)),
  ablat_DL_adhoc = random(y, v, "DL", "adhoc", model.matrix(~ablat, bcg)),
  ablat_alloc_REML_knha = random(y, v, "REML", "knha", model.matrix(~ablat + alloc, bcg)),
  ablat_year_PM_z = random(y, v, "PM", "z", model.matrix(~ablat + year, bcg)),
  ablat_SJ_z = random(y, v, "SJ", "z", model.matrix(~ablat, bcg)),
  ablat_HSk_z = random(y, v, "HSk", "z", model.matrix(~ablat, bcg)),
  ablat_HE_z = random(y, v, "HE", "z", model.matrix(~ablat, bcg)),
  alloc_EE_z = random(y, v, "EE", "z", model.matrix(~alloc, bcg)))
f <- rma(y, v, mods = ~ablat, data = bcg, control = tight)
p <- predict(f, newmods = c(10, 33, 55), pi.type = "Riley")
out$regression$predicted <- list(pred = p$pred, ci = cbind(p$ci.lb, p$ci.ub), pi = cbind(p$pi.lb, p$pi.ub))
out$subgroups <- lapply(split(seq_along(y), bcg$alloc), function(i) random(y[i], v[i], "REML"))
est <- sapply(out$subgroups, function(s) s$b); se <- sapply(out$subgroups, function(s) s$se)
between <- rma(est, sei = se, method = "EE")
out$between <- list(Q = between$QE, p = between$QEp)

# One trial left out, trials added one by one, small-study tests
f <- rma(y, v, control = tight)
l <- leave1out(f)
out$leave1out <- list(b = l$estimate, se = l$se, ci = cbind(l$ci.lb, l$ci.ub), tau2 = l$tau2, I2 = l$I2, Q = l$Q)
cu <- cumul(f, order = bcg$year)
out$cumul <- list(b = cu$estimate, se = cu$se, tau2 = cu$tau2, order = order(bcg$year))
asym <- function(r) list(statistic = unname(r$zval), p = unname(r$pval), est = unname(r$est), ci = unname(c(r$ci.lb, r$ci.ub)), df = r$dfs)
out$egger_lm <- asym(regtest(f, model = "lm"))
out$egger_rma <- asym(regtest(f, model = "rma"))
r <- ranktest(f); out$rank <- list(tau = unname(r$tau), p = unname(r$pval))
em <- escalc("OR", ai = made$ai, n1i = made$n1i, ci = made$ci, n2i = made$n2i)
r <- quiet(ranktest(c(em$yi)[c(1, 1:10)], c(em$vi)[c(1, 1:10)])); out$rank_ties <- list(tau = unname(r$tau), p = unname(r$pval))
out$trimfill <- list()
for (est in c("L0", "R0")) for (side in c("left", "right")) for (m in c("REML", "EE")) {
  g <- rma(y, v, method = m, control = tight)
  t <- trimfill(g, estimator = est, side = side, control = tight)
  out$trimfill[[paste(est, side, m)]] <- list(k0 = t$k0, se_k0 = t$se.k0, b = t$b[1], se = t$se, tau2 = t$tau2)
}
emd <- with(made, escalc("MD", m1i = m1i, sd1i = sd1i, n1i = n1i, m2i = m2i, sd2i = sd2i, n2i = n2i))
t <- trimfill(rma(c(emd$yi), c(emd$vi), method = "EE")); out$trimfill_side <- list(side = t$side, k0 = t$k0, b = t$b[1])

# Generalized mixed models: adaptive quadrature with many points where the program allows it
out$glmm <- list()
add <- function(key, ...) {
  f <- tryCatch(quiet(rma.glmm(...)), error = function(e) { message(key, ": ", conditionMessage(e)); NULL })
  if (!is.null(f)) out$glmm[[key]] <<- list(b = f$b[1], se = f$se, tau2 = f$tau2, LRT = f$QE.LRT, I2 = f$I2, k = f$k)
}
fine <- list(nAGQ = 50, glmerCtrl = list(optimizer = "bobyqa", optCtrl = list(rhoend = 1e-10, maxfun = 1e5)))
for (s in c("bcg", "collins_pre", "collins_ped")) for (m in c("UM.FS", "UM.RS", "CM.EL", "CM.AL")) {
  d <- sets[[s]]
  control <- switch(m, UM.FS = fine, CM.AL = fine, list())
  add(paste(s, m), measure = "OR", ai = d$ai, n1i = d$n1i, ci = d$ci, n2i = d$n2i, model = m, control = control)
}
for (m in c("UM.FS", "UM.RS", "CM.EL")) {
  control <- switch(m, UM.RS = list(), fine)
  add(paste("made", m), measure = "IRR", x1i = made$ai, t1i = made$t1i, x2i = made$ci, t2i = made$t2i, model = m, control = control)
}
# The exact conditional model by plain numerical integration: metafor's needs a package that Debian lacks
conditional <- function(d) {
  d <- d[d$ai + d$ci > 0 & d$ai + d$ci < d$n1i + d$n2i, ]
  minus <- function(p) {
    -sum(sapply(seq_len(nrow(d)), function(i) {
      total <- d$ai[i] + d$ci[i]
      x <- max(0, total - d$n2i[i]):min(total, d$n1i[i])
      lw <- lchoose(d$n1i[i], x) + lchoose(d$n2i[i], total - x)
      one <- function(t) sapply(t, function(u) { l <- lw + x * u; exp(l[x == d$ai[i]] - max(l)) / sum(exp(l - max(l))) })
      log(integrate(function(z) one(p[1] + exp(p[2]) * z) * dnorm(z), -9, 9, rel.tol = 1e-11, subdivisions = 2000L)$value)
    }))
  }
  f <- optim(c(-0.5, -0.7), minus, method = "BFGS", control = list(reltol = 1e-15, maxit = 500, ndeps = c(1e-5, 1e-5)))
  h <- optimHess(f$par, minus, control = list(ndeps = c(1e-4, 1e-4)))
  list(b = f$par[1], se = sqrt(solve(h)[1, 1]), tau2 = exp(2 * f$par[2]), loglik = -f$value)
}
out$conditional <- lapply(sets[c("collins_pre", "made", "bcg")], conditional)

# The beta-binomial model, by plain maximization
beta_binomial <- function(d) {
  minus <- function(p) {
    mu <- plogis(p[1:2]); size <- exp(-p[3])
    one <- function(x, n, m) lchoose(n, x) + lbeta(x + m * size, n - x + (1 - m) * size) - lbeta(m * size, (1 - m) * size)
    -sum(one(d$ai, d$n1i, mu[1]), one(d$ci, d$n2i, mu[2]))
  }
  p <- c(-2, -2, -3)
  for (i in 1:4) p <- optim(p, minus, method = "BFGS", control = list(reltol = 1e-16, maxit = 1000, ndeps = rep(1e-5, 3)))$par
  h <- optimHess(p, minus, control = list(ndeps = rep(1e-4, 3)))
  list(b = p[1] - p[2], se = sqrt(c(1, -1, 0) %*% solve(h) %*% c(1, -1, 0))[1], rho = plogis(p[3]), loglik = -minus(p))
}
out$beta_binomial <- lapply(sets[c("made", "bcg", "collins_stb")], beta_binomial)

write(toJSON(out, auto_unbox = TRUE, digits = 12, na = "null", null = "null", matrix = "rowmajor"), "pairwise.json")
